/** What the server sends to components, as JSON. */

/** A button: `core.web.jobs.action_buttons`. */
export interface Action {
  name: string;
  /** The item it is about; null: the whole job. */
  on: string | null;
  text: string;
  label: string;
  /** The question to confirm first. */
  question?: { title: string; text: string; yes: string; no: string } | null;
  /** It is a link to a download. */
  href?: string;
}

/** An image or a clip, finished or not: `core.web.jobs.item_view`. */
export interface Item {
  id: string;
  kind: "image" | "video";
  name: string;
  width: number;
  height: number;
  prompt: string;
  /** The id of its job. */
  job: string;
  /** How it was made: label and text; the first is the prompt. */
  made: [string, string][];
  state: "waiting" | "drawing" | "saving" | "done" | "failed" | "unknown" | "cancelled";
  label: string;
  percent: number | null;
  message: string;
  acts: Action[];
  /** Where a half-done picture is. */
  partial?: string;
  /** When work on it began, ISO 8601. */
  begun?: string;
  /** Seconds that it is expected to take. */
  expected?: number | null;
  // From here on: once it is finished.
  original: string;
  preview: string;
  poster: string;
  download: string;
  alt: string;
  facts: string;
  weight: string;
  seconds: number | null;
  model: string;
  owned: boolean;
  favourite: boolean;
  rating: number;
  collections: string[];
  note: string;
  /** When it is deleted for good, in words; empty: it is not in the bin. */
  binned: string;
  remix?: string;
  like?: string;
  animate?: string;
  upscale?: string;
}

/** What an owner changes about items: `POST /library/items`. */
export interface ItemChanges {
  favourite?: boolean;
  rating?: number;
  note?: string;
  collect?: string;
  uncollect?: string;
  bin?: boolean;
  remove?: boolean;
}

/** The heading of a job's page. */
export interface JobHeading {
  id: string;
  prompt: string;
  status: string;
  label: string;
  active: boolean;
  sentence: string;
  toast: string;
  percent: number;
  ready: string;
  left: string;
  time: string;
  acts: Action[];
}

/** All items of a kind. */
export interface Section {
  kind: string;
  title: string;
  count: string;
  items: Item[];
}

/** A job: `core.web.jobs.snapshot.snapshot`. */
export interface JobSnapshot {
  /** ISO 8601, by the server's clock. */
  now: string;
  job: JobHeading;
  sections: Section[];
  /** How it was made: label and text. */
  facts: [string, string][];
}

/** What of a job has changed: `core.web.jobs.snapshot.patch`. */
export interface JobPatch {
  now?: string;
  job?: JobHeading;
  facts?: [string, string][];
  counts?: Record<string, string>;
  tiles?: Item[];
  gone?: string[];
}

/** A job among recent ones: `core.web.jobs.snapshot.card`. */
export interface JobCard {
  id: string;
  href: string;
  prompt: string;
  status: string;
  label: string;
  /** Null: it has ended. */
  percent: number | null;
  summary: string;
  time: string;
  stills: string[];
}

/** A line of the bell and a toast. */
export interface Notice {
  id: string;
  title: string;
  text: string;
  href: string;
  time: string;
  unread: boolean;
  failed: boolean;
}

/** A page of the library: `GET /library/items`. */
export interface LibraryPage {
  items: Item[];
  /** Where the next page begins; null: there is none. */
  next: string | null;
  total?: number;
  /** Why nothing can be looked for like this. */
  trouble?: string;
}

/** What there is to choose from: `GET /library/facets`. */
export interface Facets {
  counts: { image: number; video: number; bin: number };
  providers: Facet[];
  models: Facet[];
  ratios: Facet[];
  collections: Facet[];
}

export interface Facet {
  name: string;
  title?: string;
  count: number;
}

/** A query of the library, as in the gallery's address; a name that is absent or empty asks for nothing. */
export type Query = Record<string, string | undefined>;

/** The element of an item on a page. */
export type Tile = HTMLElement & {
  item: Item;
  /** What its owner gives it, on a finished one. */
  marks?: { show(item: Item): void };
};

// @ts-check
/** The mark and the icons, drawn as SVG. */

const SVG = "http://www.w3.org/2000/svg";
const PETAL = "M0 -3.2 C -9 -10 -9.6 -22 0 -29 C 9.6 -22 9 -10 0 -3.2 Z";
const FOLD = "M0 -3.2 C 9 -10 9.6 -22 0 -29 Z";
const HUES = ["#d9593d", "#e0a03a", "#5f9d6b", "#2f8a96", "#86609f"];

/**
 * The mark: five petals, each folded along its middle.
 * @param {number} size in pixels
 */
export function petals(size) {
  const flower = svg("svg", {
    viewBox: "-32 -32 64 64",
    width: size,
    height: size,
    class: "petals",
    "aria-hidden": "true",
  });
  HUES.forEach((hue, index) => {
    const petal = svg("g", { transform: `rotate(${index * 72})` });
    petal.append(svg("path", { d: PETAL, fill: hue }), svg("path", { d: FOLD, fill: "#000", opacity: "0.16" }));
    flower.append(petal);
  });
  return flower;
}

/** @type {Record<string, string>} */
const ICONS = {
  play: "M8 5.5v13l11-6.5z",
  download: "M12 4v10m0 0 4-4m-4 4-4-4M5 19h14",
  close: "M6 6l12 12M18 6 6 18",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  info: "M12 11v6M12 7.2v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  animate: "M4 6h9v12H4zM13 10l7-4v12l-7-4",
  bell: "M6.5 10a5.5 5.5 0 0 1 11 0c0 5 2 6.5 2 6.5h-15s2-1.5 2-6.5M10 19.6a2.2 2.2 0 0 0 4 0",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3.2 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  alert: "M12 8v5m0 3.2v.1M12 3.5l9 16H3z",
  heart: "M12 20s-7.6-4.6-7.6-10.1A4.4 4.4 0 0 1 12 7.1a4.4 4.4 0 0 1 7.6 2.8C19.6 15.4 12 20 12 20z",
  star: "M12 3.8l2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
  dots: "M5.5 12h.02M12 12h.02M18.5 12h.02",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l4.5 4.5",
  filter: "M4 7h16M7 12h10M10 17h4",
  bin: "M5 7h14M10 7V4.5h4V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5",
  restore: "M4.5 4.5v5h5M5 9.5A8 8 0 1 1 4.2 14",
  copy: "M9 9h11v11H9zM5.5 15H4V4h11v1.5",
  remix:
    "M4 7h3c5 0 5 10 10 10h3m-3-3 3 3-3 3M4 17h3c1.5 0 2.6-.9 3.4-2.2M13.6 9.2C14.4 7.9 15.5 7 17 7h3m-3-3 3 3-3 3",
  similar: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7",
  upscale: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  fullscreen: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  back: "M18 6v12l-8-6zM6.5 6v12",
  forth: "M6 6v12l8-6zM17.5 6v12",
  sound: "M4 10v4h3.5L12 18V6L7.5 10zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  muted: "M4 10v4h3.5L12 18V6L7.5 10zM16 9.5l5 5m0-5-5 5",
  collection: "M4 6h6l2 2.5h8V19H4z",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  select: "M5 5h14v14H5zM8.5 12l2.5 2.5 4.5-5",
  onward: "M4 6h12M4 12h7M4 18h7M15 12v7.5l6-3.75z",
  dice: "M4.5 4.5h15v15h-15zM8.5 8.5h.02M15.5 8.5h.02M12 12h.02M8.5 15.5h.02M15.5 15.5h.02",
  first: "M5 4.5h14M12 20V9m0 0-4.5 4.5M12 9l4.5 4.5",
  leave: "M14 4h6v6M20 4l-9 9M10 5H5v14h14v-5",
};

/** @param {string} name of `ICONS` */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {Node[]} children
 */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

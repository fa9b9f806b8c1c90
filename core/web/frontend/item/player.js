import { el, iconButton, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const FRAME = 1 / 24; // seconds; clips do not say how many frames they have
const APART = 0.06; // seconds that clips side by side may drift
const STEPS = 1_000;

/** Controls for one clip, or for several that are to run as one. */
export class Player {
  constructor() {
    this.clips = [];
    this.play = iconButton("play", "", () => this.toggle(), { className: "toggle" });
    this.range = el("input", { type: "range", min: 0, max: STEPS, step: 1, value: 0, "aria-label": _("Position") });
    this.range.addEventListener("input", () => this.seek((this.range.value / STEPS) * this.length));
    this.time = el("span", { className: "time" });
    this.mute = iconButton("sound", "", () => this.setMuted(!this.muted));
    this.node = el("div", { className: "player", role: "group", "aria-label": _("Playback"), hidden: true },
      iconButton("back", _("One frame back"), () => this.step(-1)), this.play, iconButton("forth", _("One frame forward"), () => this.step(1)),
      this.range, this.time, this.mute);
    this.muted = false;
  }

  /** Control these clips from now on; the longest one leads. */
  attach(clips) {
    this.quiet?.abort();
    this.quiet = new AbortController();
    const { signal } = this.quiet;
    this.clips = clips;
    this.node.hidden = !clips.length;
    for (const clip of clips) {
      for (const type of ["play", "pause", "timeupdate", "seeked", "durationchange"]) clip.addEventListener(type, () => this.tell(), { signal });
      clip.addEventListener("ended", () => { if (clip === this.lead) this.ended?.(); }, { signal });
    }
    this.setMuted(this.muted || clips.length > 1);
    this.tell();
  }

  get lead() {
    return this.clips.reduce((one, other) => ((other?.duration || 0) > (one?.duration || 0) ? other : one), this.clips[0]);
  }

  get length() {
    return this.lead?.duration || 0;
  }

  get playing() {
    return Boolean(this.lead && !this.lead.paused);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.start();
  }

  start() {
    const { lead } = this;
    if (!lead) return;
    const at = lead.ended ? 0 : lead.currentTime;
    for (const clip of this.clips) {
      if (clip !== lead || lead.ended) clip.currentTime = Math.min(at, clip.duration || 0);
      clip.play().catch(() => {}); // an error of the file is said by whoever shows the clip
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.keepUp());
  }

  pause() {
    this.clips.forEach((clip) => clip.pause());
  }

  seek(to) {
    for (const clip of this.clips) clip.currentTime = Math.max(0, Math.min(to, clip.duration || 0));
  }

  step(by) {
    this.pause();
    this.seek((this.lead?.currentTime ?? 0) + by * FRAME);
  }

  setMuted(muted) {
    this.muted = muted;
    this.clips.forEach((clip) => { clip.muted = muted; });
    this.show(this.mute, muted ? "muted" : "sound", muted ? _("Sound on") : _("Sound off"));
  }

  /** While they play: tell where they are, and bring back those that drifted. */
  keepUp() {
    const { lead } = this;
    if (!lead || lead.paused) return;
    for (const clip of this.clips) {
      const at = Math.min(lead.currentTime, clip.duration || 0);
      if (clip !== lead && !clip.seeking && Math.abs(clip.currentTime - at) > APART) clip.currentTime = at;
    }
    this.tell();
    this.frame = requestAnimationFrame(() => this.keepUp());
  }

  tell() {
    const { lead, length, playing } = this;
    if (!lead) return;
    const text = `${clock(lead.currentTime)} / ${clock(length)}`;
    setText(this.time, text);
    this.range.value = length ? (lead.currentTime / length) * STEPS : 0;
    this.range.setAttribute("aria-valuetext", text);
    this.show(this.play, playing ? "pause" : "play", playing ? _("Pause") : _("Play"));
  }

  show(button, name, label) {
    if (button.title === label) return;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.replaceChildren(icon(name));
  }
}

export function clock(seconds) {
  const whole = Math.floor(seconds || 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

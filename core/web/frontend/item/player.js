// @ts-check
/** Controls for one clip, or for several that are to run as one. */
import { el, iconButton, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { align, clock, leader, length, seek, stepped } from "./playback.js";

const STEPS = 1_000; // of the slider

export class Player {
  constructor() {
    /** @type {HTMLVideoElement[]} */
    this.clips = [];
    /** @type {(() => void) | undefined} */
    this.ended = undefined;
    this.muted = false;
    this.frame = 0;
    this.listening = new AbortController();
    this.play = iconButton("play", "", () => this.toggle(), { className: "toggle" });
    this.range = el("input", { type: "range", min: 0, max: STEPS, step: 1, value: 0, "aria-label": _("Position") });
    this.range.addEventListener("input", () => this.seek((this.range.valueAsNumber / STEPS) * length(this.lead)));
    this.time = el("span", { className: "time" });
    this.mute = iconButton("sound", "", () => this.setMuted(!this.muted));
    this.node = el(
      "div",
      { className: "player", role: "group", "aria-label": _("Playback"), hidden: true },
      iconButton("back", _("One frame back"), () => this.step(-1)),
      this.play,
      iconButton("forth", _("One frame forward"), () => this.step(1)),
      this.range,
      this.time,
      this.mute,
    );
  }

  /**
   * Control these clips from now on; the longest one leads.
   * @param {HTMLVideoElement[]} clips
   */
  attach(clips) {
    this.listening.abort();
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.clips = clips;
    this.node.hidden = !clips.length;
    for (const clip of clips) {
      for (const type of ["play", "pause", "timeupdate", "seeked", "durationchange"])
        clip.addEventListener(type, () => this.update(), { signal });
      const ended = () => {
        if (clip === this.lead) this.ended?.();
      };
      clip.addEventListener("ended", ended, { signal });
    }
    this.setMuted(this.muted || clips.length > 1);
    this.update();
  }

  get lead() {
    return leader(this.clips);
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
    const from = lead.ended ? 0 : lead.currentTime;
    for (const clip of this.clips) {
      if (clip !== lead || lead.ended) seek(clip, from);
      clip.play().catch(() => {}); // whoever shows the clip handles an error of the file
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.keepUp());
  }

  pause() {
    for (const clip of this.clips) clip.pause();
  }

  /** @param {number} seconds */
  seek(seconds) {
    for (const clip of this.clips) seek(clip, seconds);
  }

  /** @param {number} frames */
  step(frames) {
    this.pause();
    this.seek(stepped(this.lead?.currentTime ?? 0, frames));
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    for (const clip of this.clips) clip.muted = muted;
    show(this.mute, muted ? "muted" : "sound", muted ? _("Sound on") : _("Sound off"));
  }

  /** While they play: show where they are, and bring back those that drifted. */
  keepUp() {
    const { lead } = this;
    if (!lead || lead.paused) return;
    align(this.clips, lead);
    this.update();
    this.frame = requestAnimationFrame(() => this.keepUp());
  }

  update() {
    const { lead, playing } = this;
    if (!lead) return;
    const whole = length(lead);
    const text = `${clock(lead.currentTime)} / ${clock(whole)}`;
    setText(this.time, text);
    this.range.valueAsNumber = whole ? (lead.currentTime / whole) * STEPS : 0;
    this.range.setAttribute("aria-valuetext", text);
    show(this.play, playing ? "pause" : "play", playing ? _("Pause") : _("Play"));
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} name its icon
 * @param {string} label
 */
function show(button, name, label) {
  if (button.title === label) return;
  button.title = label;
  button.setAttribute("aria-label", label);
  button.replaceChildren(icon(name));
}

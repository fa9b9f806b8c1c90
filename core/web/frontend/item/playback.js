// @ts-check
/** The arithmetic of playing: times, and clips that run as one. */

const FRAME_S = 1 / 24; // browsers do not expose the frame rate
const DRIFT_S = 0.06; // that clips side by side may be apart

/**
 * What of a clip counts here; `HTMLVideoElement` has it.
 * @typedef {{ currentTime: number, duration: number, seeking: boolean }} Clip
 */

/**
 * Seconds as minutes and seconds.
 * @param {number} seconds not a number: nothing is known yet
 */
export function clock(seconds) {
  const whole = Math.floor(seconds || 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/**
 * The clip that the others follow: the longest, of equal ones the first.
 * @template {Clip} T
 * @param {T[]} clips
 * @returns {T | undefined}
 */
export function leader(clips) {
  return clips.reduce(
    (/** @type {T | undefined} */ longest, clip) => (longest && length(clip) <= length(longest) ? longest : clip),
    undefined,
  );
}

/**
 * How long a clip is, in seconds; 0 where that is not known yet.
 * @param {Clip | undefined} clip
 */
export function length(clip) {
  return clip?.duration || 0;
}

/**
 * Put a clip at a time, or at its end where that is beyond it.
 * @param {Clip} clip
 * @param {number} seconds
 */
export function seek(clip, seconds) {
  clip.currentTime = Math.max(0, Math.min(seconds, length(clip)));
}

/**
 * The time that is some frames away.
 * @param {number} seconds
 * @param {number} frames
 */
export function stepped(seconds, frames) {
  return seconds + frames * FRAME_S;
}

/**
 * Bring clips back that have drifted from the one that leads.
 * @param {Clip[]} clips
 * @param {Clip} lead
 */
export function align(clips, lead) {
  for (const clip of clips) {
    if (clip === lead || clip.seeking) continue;
    const due = Math.min(lead.currentTime, length(clip));
    if (Math.abs(clip.currentTime - due) > DRIFT_S) clip.currentTime = due;
  }
}

/** What a finished item looks like on a job's page and in the gallery, and what opens from it. */
class Tiles {
  /** `acts`: what leads to other pages: `open(jobId)`, `animate(itemId)`. */
  constructor(acts) {
    this.acts = acts;
    this.lightbox = new Lightbox();
    this.made = new Made();
    this.nodes = [this.lightbox.node, this.made.node];
  }

  finished(tile, item) {
    const frame = item.kind === "video" ? this.clip(item) : this.picture(tile, item);
    const caption = el("div", { className: "caption" }, el("span", { className: "facts-line", tabIndex: -1, text: `${item.name} · ${item.facts}` }));
    if (item.job) {
      const words = item.prompt.trim().replace(/\s+/g, " ");
      caption.append(link(`/job?id=${item.job}`, () => this.acts.open(item.job),
        { className: "from", dir: "auto", text: words, title: words.slice(0, 300) }));
    }
    const animate = item.animate && link(item.animate, () => this.acts.animate(item.id),
      { className: "icon-button", title: "Animate", "aria-label": `Animate ${item.name}` }, icon("animate"));
    const row = el("div", { className: "under" }, caption, animate, this.info(tile, item),
      el("a", { className: "icon-button", href: item.download, download: "", title: `Download (${item.weight})`, "aria-label": `Download ${item.name}` }, icon("download")));
    return [frame, row];
  }

  /** A button that tells how an item was made. */
  info(tile, item) {
    const about = `How ${item.name} was made`;
    const button = el("button", { type: "button", className: "icon-button info", title: "How it was made", "aria-label": about }, icon("info"));
    button.addEventListener("click", () => this.made.open(about, tile.item.made, button));
    return button;
  }

  picture(tile, item) {
    const image = el("img", { src: item.preview, alt: item.alt, loading: "lazy", decoding: "async" });
    const open = el("button", { type: "button", className: "frame", "aria-label": `Open ${item.alt}` }, image);
    open.addEventListener("click", () => {
      const all = [...tile.parentElement.children].filter((each) => each.dataset.state === "done");
      this.lightbox.open(all.map((each) => each.item), all.indexOf(tile), open);
    });
    return open;
  }

  clip(item) {
    const player = el("video", { preload: "none", poster: item.poster, playsInline: true, "aria-label": item.alt });
    player.src = item.original;
    const play = el("button", { type: "button", className: "play", "aria-label": `Play ${item.alt}` }, icon("play"));
    const sorry = el("p", { className: "sorry", role: "alert", hidden: true, text: "This clip cannot be played at the moment." });
    const frame = el("div", { className: "frame" }, player, play, sorry);
    play.addEventListener("click", () => {
      player.controls = true;
      play.hidden = true;
      player.focus();
      player.play().catch(() => {});
    });
    player.addEventListener("play", () => {
      for (const other of player.getRootNode().querySelectorAll("video")) if (other !== player) other.pause();
    });
    player.addEventListener("error", () => { sorry.hidden = false; });
    return frame;
  }
}

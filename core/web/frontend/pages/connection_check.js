// @ts-check
/** Beside Streamlit's page: explains why nothing appears. */
import { at } from "../kit/address.js";

const PATIENCE_MS = 10_000;
const BOX_ID = "fivefold-connection";

/**
 * Show a sentence over the page, with the address that leads on where there is one.
 * @param {string} sentence
 * @param {string} [address]
 */
function show(sentence, address) {
  hide();
  const box = document.createElement("div");
  box.id = BOX_ID;
  box.setAttribute("role", "alert");
  box.style.cssText =
    "position:fixed;inset:0;z-index:2000000;display:grid;place-content:center;gap:1rem;padding:2rem;text-align:center;font:1.1rem/1.5 system-ui,sans-serif;background:#fbf9f5;color:#24211c";
  const words = document.createElement("p");
  words.style.maxWidth = "36rem";
  words.textContent = sentence;
  box.append(words);
  if (address) {
    const way = document.createElement("a");
    way.href = way.textContent = address;
    box.append(way);
  }
  document.body.append(box);
}

function hide() {
  document.getElementById(BOX_ID)?.remove();
}

function connected() {
  return document.querySelector('[data-test-connection-state="CONNECTED"]') !== null;
}

async function check() {
  const answer = await fetch(at("/origin"), { method: "POST" }).catch(() => null);
  const found = answer?.ok ? await answer.json().catch(() => null) : null;
  if (found?.ours === false) {
    show(found.message, found.address);
    return;
  }
  setTimeout(() => {
    if (connected()) return;
    show(document.querySelector("script[data-no-connection]")?.getAttribute("data-no-connection") ?? "");
    const waiting = setInterval(() => {
      if (!connected()) return;
      clearInterval(waiting);
      hide();
    }, 1_000);
  }, PATIENCE_MS);
}

check();

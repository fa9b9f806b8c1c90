/* Beside Streamlit's page: says why nothing appears. `NO_CONNECTION` comes before it. */
const PATIENCE_MS = 10_000;
const BESIDE = location.pathname.replace(/[^/]*$/, "");

/** Show a sentence over the page, with the address that leads on where there is one. */
function say(sentence, address) {
  document.querySelector("#fivefold-first")?.remove();
  const box = document.createElement("div");
  box.id = "fivefold-first";
  box.setAttribute("role", "alert");
  box.style.cssText = "position:fixed;inset:0;z-index:2000000;display:grid;place-content:center;gap:1rem;padding:2rem;text-align:center;font:1.1rem/1.5 system-ui,sans-serif;background:#fbf9f5;color:#24211c";
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

function connected() {
  return document.querySelector('[data-test-connection-state="CONNECTED"]') !== null;
}

async function look() {
  const answer = await fetch(`${BESIDE}origin`, { method: "POST" }).catch(() => null);
  const said = answer?.ok ? await answer.json().catch(() => null) : null;
  if (said?.ours === false) return say(said.message, said.address);
  setTimeout(() => {
    if (connected()) return;
    say(NO_CONNECTION);
    const waiting = setInterval(() => {
      if (!connected()) return;
      clearInterval(waiting);
      document.querySelector("#fivefold-first")?.remove();
    }, 1_000);
  }, PATIENCE_MS);
}

look();

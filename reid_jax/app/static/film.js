// One film: frames are chosen and dropped; the sheet and the summary clip follow.
import { counted, get, post, toast } from "./app.js";

const byId = (id) => document.getElementById(id);
const { film } = byId("main").dataset;
let timer = 0;

function put(item, chosen) {
  const list = byId(chosen ? "chosen" : "others");
  const after = [...list.children].find((each) => Number(each.dataset.frame) > Number(item.dataset.frame));
  list.insertBefore(item, after ?? null);
  const button = item.querySelector(".choose");
  button.textContent = chosen ? "Drop" : "Add";
  button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^(Drop|Add)/, button.textContent));
}

function show(found) {
  const wanted = new Set(found.choice.map(String));
  for (const item of document.querySelectorAll("[data-frame]")) {
    const now = item.parentElement.id === "chosen";
    if (now !== wanted.has(item.dataset.frame)) put(item, !now);
  }
  for (const dot of document.querySelectorAll("[data-dot]")) dot.toggleAttribute("hidden", !wanted.has(dot.dataset.dot));
  byId("count").textContent = counted(wanted.size, "keyframe");
  byId("downloads").hidden = !found.made;
  byId("making").hidden = found.made && !found.not_made;
  byId("making").textContent = found.not_made ? `The sheet and the clip could not be made: ${found.not_made}` : "The sheet and the clip are being made …";
  byId("reset").hidden = !found.by_hand;
  clearTimeout(timer);
  if (!found.made) timer = setTimeout(look, 1000);
}

async function look() {
  try {
    show(await get(`/v1/films/${film}/choice`));
  } catch {
    timer = setTimeout(look, 3000);
  }
}

async function choose(body) {
  try {
    show(await post(`/v1/films/${film}/choice`, body));
  } catch (error) {
    toast(error.message);
  }
}

if (byId("chosen")) {
  for (const button of document.querySelectorAll(".choose")) {
    const item = button.closest("[data-frame]");
    button.addEventListener("click", async () => {
      const chosen = item.parentElement.id === "chosen";
      if (chosen && byId("chosen").children.length === 1) return toast("A film keeps one frame at least; add another one first.");
      await choose({ frame: Number(item.dataset.frame), chosen: !chosen });
      button.focus();
    });
  }
  byId("reset").addEventListener("click", () => choose({}));
  look();
}

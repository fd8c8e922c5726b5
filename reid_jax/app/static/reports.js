// Reports: the probability from which names are given, moved with its consequences shown.
import { counted, get, post, toast } from "./app.js";

const byId = (id) => document.getElementById(id);
const main = byId("main");
const kept = byId("thresholds");

function draw(each) {
  for (const svg of document.querySelectorAll("#numbers svg")) {
    const parts = [...svg.querySelectorAll("rect")];
    const total = Math.max(parts.reduce((sum, part) => sum + each[part.dataset.part], 0), 1);
    let at = 0;
    for (const part of parts) {
      const width = (1000 * each[part.dataset.part]) / total;
      part.setAttribute("x", at);
      part.setAttribute("width", width);
      at += width;
    }
  }
  const known = each.own + each.other + each.close + each.unknown;
  const strangers = each.named + each.stranger_close + each.stranger_unknown;
  byId("known-words").textContent = `${counted(known, "photo")}: ${each.own} with their name, ${each.other} with another one's, ${each.close} too close to call, ${each.unknown} called unknown.`;
  byId("stranger-words").textContent = `${counted(strangers, "photo")}: ${each.named} with a wrong name, ${each.stranger_close} too close to call, ${each.stranger_unknown} called unknown.`;
}

async function keep(value) {
  try {
    await post("/v1/gallery/threshold", { value, rests_on: Number(main.dataset.position) });
    location.reload();
  } catch (error) {
    toast(error.message);
  }
}

if (kept) {
  const { thresholds, level } = JSON.parse(kept.textContent);
  const slider = byId("level");
  const now = thresholds.findIndex((each) => each.level === level);
  const show = () => {
    const each = thresholds[slider.value];
    const words = `${(100 * each.level).toFixed(each.level === level ? 1 : 0)}%`;
    byId("shown").textContent = `From ${words} on`;
    slider.setAttribute("aria-valuetext", words);
    byId("keep").disabled = each.level === level;
    draw(each);
  };
  slider.value = Math.max(now, 0);
  slider.addEventListener("input", show);
  byId("keep").addEventListener("click", () => keep(thresholds[slider.value].level));
  byId("calibrated").addEventListener("click", () => keep(null));
  show();
}

async function wait() {
  try {
    if (!(await get("/v1/reports/sureness")).waiting) return location.reload();
  } catch {
    /* asked again */
  }
  setTimeout(wait, 3000);
}

if (main.dataset.waiting) setTimeout(wait, 2000);

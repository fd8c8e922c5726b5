// What all pages share: requests, short messages, questions, the name of who decides.

const byId = (id) => document.getElementById(id);

// What shows the server that a request comes from one of its pages.
const ofPage = document.querySelector("meta[name=of-page]")?.content;
const shown = ofPage ? { "X-Reid-Jax-Page": ofPage } : {};

async function answer(response) {
  let found = {};
  try {
    found = await response.json();
  } catch {
    /* not JSON */
  }
  if (response.status === 401 && ofPage) location.reload(); // signed out elsewhere
  if (!response.ok) {
    const error = new Error(found.error || "The server did not understand.");
    error.status = response.status;
    error.body = found;
    throw error;
  }
  return found;
}

export async function get(path) {
  return answer(await fetch(path));
}

export async function post(path, body, method = "POST") {
  return answer(
    await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", ...shown },
      body: method === "POST" ? JSON.stringify(body) : undefined,
    }),
  );
}

// Sends a file; tells how much of it is sent.
export function send(path, file, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${path}?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => sent(event.loaded / Math.max(event.total, 1));
    request.onload = () => {
      if (request.status < 300) return resolve(request.response);
      const error = new Error(request.response?.error || "The server did not take it.");
      error.status = request.status;
      reject(error);
    };
    request.onerror = () => reject(new Error("The server does not answer."));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(shown)) request.setRequestHeader(name, value);
    request.send(file);
  });
}

let hiding = 0;
export function toast(words) {
  const box = byId("toast");
  box.textContent = words;
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (box.hidden = true), 5000);
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", new URL(`icons.svg#${name}`, import.meta.url).href);
  svg.append(use);
  return svg;
}

// Makes an element: el("p", {class: "soft"}, "text", child).
export function el(tag, facts = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...inside.filter((each) => each != null));
  return made;
}

export const percent = (p) => (p == null ? "" : `${Math.round(100 * p)}%`);
export const counted = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

// Asks for a line of text, or for a yes; null where it was cancelled.
export function ask({ title, text = "", value = null, yes = "Save", among = null }) {
  const dialog = byId("ask");
  const input = byId("ask-input");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-text").hidden = !text;
  byId("ask-yes").textContent = yes;
  input.hidden = value === null;
  input.value = value ?? "";
  input.setAttribute("aria-label", title);
  byId("ask-list").replaceChildren();
  among?.then((names) => byId("ask-list").replaceChildren(...names.map((name) => el("option", { value: name }))), () => {});
  dialog.returnValue = "";
  dialog.showModal();
  if (value !== null) input.select();
  return new Promise((resolve) => {
    byId("ask-no").onclick = () => dialog.close("");
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
  });
}

// A photo, large; opened by its small picture.
export function enlarge(source, words) {
  const picture = byId("large-picture");
  picture.src = source;
  picture.alt = words;
  byId("large-words").textContent = words;
  byId("large-close").onclick = () => byId("large").close();
  byId("large").onclick = (event) => event.target === byId("large") && byId("large").close();
  byId("large").showModal();
}

// Files that are dropped on a place, chosen there, or pasted.
export function takeFiles(place, input, take) {
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      place.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) place.classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const files = [...event.dataTransfer.files];
    take(items.some((item) => item?.isDirectory) ? await inFolders(items) : files);
  });
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
}

async function inFolders(entries) {
  const found = [];
  for (const entry of entries.filter(Boolean)) {
    if (entry.isFile) found.push(await new Promise((yes, no) => entry.file(yes, no)));
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((yes, no) => reader.readEntries(yes, no));
        if (!some.length) break;
        found.push(...(await inFolders(some)));
      }
    }
  }
  return found.filter((file) => !file.name.startsWith("."));
}

byId("me")?.addEventListener("click", async () => {
  const now = byId("me").textContent;
  const text = "Decisions carry this name, so that others know whom to ask.";
  const name = await ask({ title: "Who are you?", text, value: now });
  if (!name) return;
  try {
    byId("me").firstElementChild.textContent = (await post("/v1/me", { name })).name;
  } catch (error) {
    toast(error.message);
  }
});

for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => enlarge(button.dataset.large, button.dataset.words));
}

// Who is signed in: signing out, passwords; and for admins, who else may sign in.
import { ask, post, toast } from "./app.js";

const byId = (id) => document.getElementById(id);

async function told(asking, then) {
  try {
    await asking;
    then();
  } catch (error) {
    toast(error.message);
  }
}

const signIn = () => location.assign("/sign-in");
const again = () => location.reload();

byId("leave").addEventListener("click", () => told(post("/v1/session", null, "DELETE"), signIn));

byId("own").addEventListener("submit", (event) => {
  event.preventDefault();
  told(post("/v1/me/password", { old: byId("old").value, new: byId("new").value }), signIn);
});

byId("add")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { name: byId("name").value, role: byId("role").value, password: byId("first").value };
  told(post("/v1/users", body), again);
});

for (const button of document.querySelectorAll("[data-remove]")) {
  const name = button.dataset.remove;
  button.addEventListener("click", async () => {
    const text = "They may sign in no more. What they decided stays.";
    if ((await ask({ title: `Remove ${name}?`, text, yes: "Remove" })) === null) return;
    told(post(`/v1/users?name=${encodeURIComponent(name)}`, null, "DELETE"), again);
  });
}

for (const button of document.querySelectorAll("[data-password]")) {
  const name = button.dataset.password;
  button.addEventListener("click", async () => {
    const password = await ask({ title: `New password for ${name}`, text: "They are signed out.", value: "" });
    if (password) told(post("/v1/users/password", { name, password }), () => toast(`${name} has another password.`));
  });
}

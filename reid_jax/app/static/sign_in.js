// The page that asks for a name and a password.
import { post } from "./app.js";

const form = document.getElementById("sign-in");
const wrong = document.getElementById("wrong");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const enter = document.getElementById("enter");
  const password = document.getElementById("password");
  enter.disabled = true;
  wrong.hidden = true;
  try {
    await post("/v1/session", { name: document.getElementById("name").value, password: password.value });
    location.replace(form.dataset.after);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    enter.disabled = false;
    password.select();
  }
});

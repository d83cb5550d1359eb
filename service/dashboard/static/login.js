// Begins a session with a token, then goes on to the page that asked for one.

import { at, postJson } from "./api.js";

const notice = document.getElementById("notice");

document.getElementById("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  notice.hidden = true;
  try {
    await postJson("/v1/session", { token: document.getElementById("token").value.trim() });
  } catch (error) {
    notice.textContent = error.message;
    notice.hidden = false;
    return;
  }
  location.replace(next());
});

// Only a page of this service: an address that leads elsewhere is not followed.
function next() {
  const address = new URL(at(new URLSearchParams(location.search).get("next") ?? "/"));
  return address.origin === location.origin ? address.href : at("/");
}

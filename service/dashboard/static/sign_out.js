// Ends the session, and shows the page where one begins.

import { at, remove } from "./api.js";

document.getElementById("sign-out").addEventListener("click", async () => {
  await remove("/v1/session");
  location.assign(at("/login"));
});

// The server's token, if it asks for one: kept until the tab is closed.

import { byId } from "./dom.js";

const KEY = "deepgaze2-token";

export function currentToken() {
  return sessionStorage.getItem(KEY);
}

let asking = null; // requests that are refused together ask once

/**
 * Have the token replaced that the server refused.
 *
 * @param {string | null} refused
 * @returns {Promise<boolean>} whether there is another one to try
 */
export async function renewToken(refused) {
  if (currentToken() !== refused) return true; // another request has just got it
  asking ??= ask(refused !== null).finally(() => (asking = null));
  const token = await asking;
  if (token) sessionStorage.setItem(KEY, token);
  return Boolean(token);
}

/** Ask the reader; an empty answer means that there is none. */
function ask(again) {
  const dialog = byId("token-dialog");
  byId("token-refused").hidden = !again;
  byId("token").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const done = () => resolve(dialog.returnValue === "use" ? byId("token").value.trim() : "");
    dialog.addEventListener("close", done, { once: true });
  });
}

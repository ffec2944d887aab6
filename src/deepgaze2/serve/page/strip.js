// The strip of images: which is shown, and with which it is compared.

import { byId, element, keepChildren } from "./dom.js";
import { compare, remove } from "./images.js";
import { changed, state } from "./store.js";

const THUMB_PX = { width: 120, height: 96 };

export function startStrip() {
  byId("compare").addEventListener("click", () => {
    if (!state.comparing) return compare();
    state.comparing = false;
    changed();
  });
  byId("other").addEventListener("change", ({ target }) => {
    state.other = Number(target.value);
    changed();
  });
}

export function showStrip() {
  keepChildren(byId("images"), state.images, makeThumb, showThumb);
  byId("compare").setAttribute("aria-pressed", state.comparing);
  const others = state.images.filter(({ id }) => id !== state.shown);
  byId("other-choice").hidden = !state.comparing || others.length < 2;
  byId("other").replaceChildren(
    ...others.map(({ id, name }) =>
      element("option", { value: id, selected: id === state.other }, name),
    ),
  );
}

function makeThumb(image) {
  const show = element("button", {
    type: "button",
    class: "thumb",
    onclick: () => {
      if (state.comparing && state.other === image.id) state.other = state.shown; // they swap
      state.shown = image.id;
      changed();
    },
  });
  const picture = element("canvas", { ...THUMB_PX, "aria-hidden": "true" });
  show.append(picture, element("span", {}, image.name));
  const close = element("button", {
    type: "button",
    class: "close",
    "aria-label": `Remove ${image.name}`,
    onclick: () => {
      remove(image);
      byId(state.images.length ? "add-images" : "choose").focus();
    },
  });
  close.append(element("span", { "aria-hidden": "true" }, "×"));
  return element("li", {}, show, close);
}

function showThumb(image, item) {
  if (image.photo !== item.photo) paintThumb(item.querySelector("canvas"), image.photo);
  item.photo = image.photo;
  const isOther = state.comparing && image.id === state.other;
  const variant = image.id === state.shown ? "A" : isOther ? "B" : null;
  item.className = image.status === "ready" || image.status === "failed" ? image.status : "busy";
  item.firstChild.setAttribute("aria-current", String(variant !== null));
  item.dataset.variant = state.comparing && variant ? variant : "";
}

/** Paint the middle of a photo, as much as fills the thumbnail. */
function paintThumb(canvas, photo) {
  const scale = Math.max(canvas.width / photo.width, canvas.height / photo.height);
  const [width, height] = [photo.width * scale, photo.height * scale];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

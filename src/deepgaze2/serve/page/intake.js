// Where images come from: the file chooser, drag and drop, the clipboard, the examples.

import { byId, element } from "./dom.js";
import { addFiles } from "./images.js";
import { fetchExample, fetchExamples } from "./server.js";

export function chooseFiles() {
  byId("files").click();
}

export function takeFiles() {
  const files = byId("files");
  files.addEventListener("change", () => {
    addFiles(files.files);
    files.value = ""; // so that the same file can be chosen again
  });
  takeDrops();
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return; // text, into a field
    event.preventDefault();
    addFiles(event.clipboardData.files);
  });
}

function takeDrops() {
  const hint = byId("drop-hint");
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragenter", (event) => (hint.hidden = !hasFiles(event)));
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hint.hidden = true; // left the window, not just an element
  });
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    hint.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  });
}

/** List the example photos, each a button that predicts it. */
export async function showExamples() {
  const names = await fetchExamples();
  const files = await Promise.all(names.map(fetchExample));
  byId("examples").replaceChildren(
    ...files.map((file) => {
      const picture = element("img", { src: URL.createObjectURL(file), alt: "" });
      const title = file.name.replace(/\..*/, "");
      const button = element("button", { type: "button", onclick: () => addFiles([file]) });
      button.append(picture, element("span", {}, title));
      return element("li", {}, button);
    }),
  );
  byId("examples-section").hidden = names.length === 0;
}

// Requests to the server, whose problems become errors in words.

import { state } from "./store.js";
import { currentToken, renewToken } from "./token.js";

/** Something went wrong, in words for the reader: `message` is a title, `detail` what to do. */
export class Problem extends Error {
  constructor(title, detail = "") {
    super(title);
    this.detail = detail;
  }
}

export async function fetchModels() {
  return (await request("/v1/models")).json();
}

/** Return the names of the packaged example photos. */
export async function fetchExamples() {
  return (await (await request("/v1/examples")).json()).examples;
}

/** Return an example as a file; by fetch, since an img element would send no token. */
export async function fetchExample(name) {
  const blob = await (await request(`/v1/examples/${encodeURIComponent(name)}`)).blob();
  return new File([blob], name, { type: blob.type });
}

/** Return an image's layers, see density.js, as seen through a viewport of the API. */
export async function fetchLayers(file, viewport, signal) {
  return (await request(`/v1/layers?${query(viewport)}`, upload(file, signal))).json();
}

/** Return a prediction of an image as a blob of the given format, at the image's size. */
export async function fetchPrediction(file, viewport, format, regionTexts = []) {
  const asked = query(viewport);
  asked.set("format", format);
  for (const text of regionTexts) asked.append("regions", text);
  return (await request(`/v1/predict?${asked}`, upload(file))).blob();
}

function query(viewport) {
  return new URLSearchParams({ viewport, ...(state.model && { model: state.model }) });
}

function upload(file, signal) {
  const type = file.type || "application/octet-stream";
  return { method: "POST", body: file, headers: { "Content-Type": type }, signal };
}

async function request(path, options = {}) {
  for (;;) {
    const token = currentToken();
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await send(path, { ...options, headers });
    if (response.ok) return response;
    const problem = await readProblem(response);
    if (response.status !== 401 || !(await renewToken(token))) throw problem;
  }
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(
      "The server does not answer",
      "Is deepgaze2 serve still running, and is this device connected to it? Then try again.",
    );
  }
}

/** Read problem details (RFC 9457); a proxy before the server may answer in another form. */
async function readProblem(response) {
  const { title, detail } = await response.json().catch(() => ({}));
  return new Problem(title ?? `The server answered with error ${response.status}`, detail);
}

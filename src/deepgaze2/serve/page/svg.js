// The panel: photo, prediction and regions with their numbers as one SVG file.

import { PALETTE } from "./colors.js";
import { percent } from "./dom.js";
import { CANVAS_MAX_PX, contourLabels, paint } from "./picture.js";
import { predictionOf } from "./prediction.js";
import { state } from "./store.js";
import { columnTitles, regionCells } from "./table.js";

const WIDTH = 560; // of one picture
const GAP = 24;
const LINE = 24; // height of a line of text
const FONT = "font-family='Helvetica, Arial, sans-serif'";
const OUTLINED = "font-weight='600' fill='#fff' stroke='#000' stroke-width='3' paint-order='stroke'";
const JPEG = { type: "image/jpeg", quality: 0.92 };
const KEY = "each quarter of the colors gets 25% of fixations";

/**
 * Return the panel of one image, or of two variants below one another.
 *
 * Left the photo with the regions, right the heat map with contours, or what else is shown. Below
 * stand the regions' numbers.
 *
 * @returns {Promise<string>}
 */
export async function panelSvg(images) {
  const parts = [];
  let top = GAP;
  for (const image of images) {
    const height = Math.round(WIDTH / image.aspect);
    parts.push(await imageRow(image, top, height));
    top += LINE + height + GAP;
  }
  parts.push(colorKey(top));
  top += 3 * LINE;
  if (state.regions.length) {
    parts.push(numbers(top));
    top += (state.regions.length + 1) * LINE + GAP;
  }
  const share = Math.round(100 * state.centerBiasShare);
  const { model, centerBiasName } = images[0].layers;
  const caption = `Model ${model}, center bias ${centerBiasName} at ${share}%`;
  parts.push(text(GAP, top, caption, "fill='#555'"));
  const size = [2 * WIDTH + 3 * GAP, top + GAP];
  return [
    `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${size.join(" ")}'`,
    ` width='${size[0]}' height='${size[1]}' ${FONT} font-size='14'>`,
    `<title>${escaped(caption)}</title><rect width='100%' height='100%' fill='#fff'/>`,
    ...parts,
    "</svg>\n",
  ].join("");
}

async function imageRow(image, top, height) {
  const view = state.view === "image" ? "heat" : state.view;
  const sizes = `width='${WIDTH}' height='${height}'`;
  const photo = await embedded(image, "image", height);
  // Contours become lines, which stay sharp, in place of pixels.
  const shown = await embedded(image, view === "contours" ? "shades" : view, height);
  const right = 2 * GAP + WIDTH;
  return [
    text(GAP, top + 14, image.name, "font-weight='600'"),
    `<g transform='translate(${GAP} ${top + LINE})'><image ${sizes} href='${photo}'/>`,
    ...state.regions.map((region) => regionBox(region, image, height)),
    `</g><g transform='translate(${right} ${top + LINE})'><image ${sizes} href='${shown}'/>`,
    ...(view === "fixations" ? [] : [contourLines(image, height)]),
    "</g>",
  ].join("");
}

/** Return an image painted in twice the panel's resolution at most, as a data URL. */
async function embedded(image, view, height) {
  const scale = Math.min(2, CANVAS_MAX_PX / height);
  const canvas = new OffscreenCanvas(Math.round(scale * WIDTH), Math.round(scale * height));
  paint(canvas.getContext("2d"), image, view);
  const bytes = new Uint8Array(await (await canvas.convertToBlob(JPEG)).arrayBuffer());
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `data:${JPEG.type};base64,${btoa(binary)}`;
}

function regionBox(region, image, height) {
  const [x, y] = [region.x * WIDTH, region.y * height];
  const size = `width='${region.width * WIDTH}' height='${region.height * height}'`;
  const label = `${region.name}  ${percent(predictionOf(image).mass(region))}`;
  const box = (style) => `<rect x='${x}' y='${y}' ${size} fill='none' ${style}/>`;
  return (
    box("stroke='#000' stroke-opacity='0.7' stroke-width='3'") +
    box("stroke='#fff' stroke-width='1.5'") +
    text(x + 4, Math.max(y - 6, 14), label, OUTLINED)
  );
}

function contourLines(image, height) {
  const { contours } = predictionOf(image);
  const point = ({ x, y }) => `${(x * WIDTH).toFixed(1)} ${(y * height).toFixed(1)}`;
  const path = contours.flat().map((line) => `M${line.map(point).join("L")}`).join("");
  const labels = contourLabels(contours).map(({ text: label, x, y }) =>
    text(x * WIDTH, y * height + 5, label, `text-anchor='middle' ${OUTLINED}`),
  );
  return [
    `<path d='${path}' fill='none' stroke='#000' stroke-width='2.4'/>`,
    `<path d='${path}' fill='none' stroke='#fff' stroke-width='1.2'/>`,
    ...labels,
  ].join("");
}

/** Return the heat map's colors, each quarter of which gets a quarter of the fixations. */
function colorKey(top) {
  const left = 2 * GAP + WIDTH;
  const stops = Array.from({ length: 17 }, (_, i) => {
    const [red, green, blue] = PALETTE.slice(3 * Math.min(16 * i, 255));
    return `<stop offset='${i / 16}' stop-color='rgb(${red},${green},${blue})'/>`;
  });
  return [
    `<defs><linearGradient id='colors'>${stops.join("")}</linearGradient></defs>`,
    `<rect x='${left}' y='${top}' width='${WIDTH}' height='10' fill='url(#colors)'/>`,
    text(left, top + 28, "fewest", "font-size='12'"),
    text(left + WIDTH / 2, top + 28, KEY, "font-size='12' text-anchor='middle'"),
    text(left + WIDTH, top + 28, "most fixations", "font-size='12' text-anchor='end'"),
  ].join("");
}

/** Return the table of regions as text. */
function numbers(top) {
  const rows = [
    columnTitles().map((title) => ({ text: title })),
    ...state.regions.map((region) => [{ text: region.name }, ...regionCells(region)]),
  ];
  const column = (2 * WIDTH + GAP) / rows[0].length;
  return rows
    .flatMap((cells, row) =>
      cells.map(({ text: value, notes = [] }, i) => {
        const shown = [value, ...notes].join("  ");
        const style = row === 0 ? "font-weight='600'" : "";
        return text(GAP + i * column, top + row * LINE, shown, style);
      }),
    )
    .join("");
}

function text(x, y, content, attributes = "") {
  return `<text x='${x.toFixed(1)}' y='${y.toFixed(1)}' ${attributes}>${escaped(content)}</text>`;
}

/** Escape what XML reserves, and leave out what it forbids. */
function escaped(content) {
  const allowed = content.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "");
  return allowed.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
}

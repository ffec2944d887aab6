// Pictures of predictions on a canvas, on the page and for downloads.

import { PALETTE } from "./colors.js";
import { predictionOf } from "./prediction.js";
import { state } from "./store.js";

const DIMMED = 0.8; // the gray photo below the heat map, as in the library's overlay
export const CANVAS_MAX_PX = 16384; // browsers take no longer side
const FIXATION_COLOR = "#d7191c";

/**
 * Paint an image as the state says, over a whole canvas.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {object} image of images.js; without its prediction the photo alone is painted
 * @param {string} view of `state`, or shades: contours without their lines
 */
export function paint(context, image, view = state.view) {
  const { width, height } = context.canvas;
  if (view === "heat" && image.layers) context.drawImage(grayPhoto(image, width, height), 0, 0);
  else paintPhoto(context, image);
  if (!image.layers || view === "image") return;
  const prediction = predictionOf(image);
  context.save();
  context.globalAlpha = state.opacity;
  PAINTERS[view](context, prediction);
  context.restore();
}

const PAINTERS = {
  heat: (context, prediction) => paintCells(context, prediction, heatColor),
  shades: (context, prediction) => paintCells(context, prediction, shade),
  contours: (context, prediction) => {
    PAINTERS.shades(context, prediction);
    context.globalAlpha = 1;
    paintContours(context, prediction.contours);
  },
  fixations: (context, prediction) => paintFixations(context, prediction.fixations(state.seed)),
};

/** Return how thick a line of one unit is: a thousandth of the longer side, of pages' screens. */
function lineUnit({ width, height }) {
  return (height > 3 * width ? width : Math.max(width, height)) / 1000;
}

/** Set red, green, blue and opacity of a mass rank; the likelier half is opaque. */
function heatColor(rank, colors, i) {
  const color = 3 * Math.min(255, Math.floor(rank * 256));
  colors[i] = PALETTE[color];
  colors[i + 1] = PALETTE[color + 1];
  colors[i + 2] = PALETTE[color + 2];
  colors[i + 3] = Math.round(255 * Math.min(2 * rank, 1));
}

/** Darken what lies outside the contours, in three steps. */
function shade(rank, colors, i) {
  colors[i + 3] = 60 * (3 - Math.min(3, Math.floor(rank * 4)));
}

const cellPictures = new WeakMap(); // by prediction: changing the opacity colors no cell anew

/** Paint one pixel for each cell of the grid, smoothly enlarged. */
function paintCells(context, prediction, setColor) {
  if (cellPictures.get(prediction)?.setColor !== setColor) {
    const { columns, rows } = prediction.density;
    const cells = new OffscreenCanvas(columns, rows);
    const picture = new ImageData(columns, rows);
    const { ranks } = prediction.ranked;
    for (let i = 0; i < ranks.length; i++) setColor(ranks[i], picture.data, 4 * i);
    cells.getContext("2d").putImageData(picture, 0, 0);
    cellPictures.set(prediction, { setColor, cells });
  }
  const { cells } = cellPictures.get(prediction);
  context.drawImage(cells, 0, 0, context.canvas.width, context.canvas.height);
}

function paintContours(context, contours) {
  const { width, height } = context.canvas;
  const unit = lineUnit(context.canvas);
  const path = new Path2D();
  for (const line of contours.flat()) {
    line.forEach(({ x, y }, i) => path[i ? "lineTo" : "moveTo"](x * width, y * height));
  }
  context.lineJoin = "round";
  for (const [color, thickness] of [["#000", 5], ["#fff", 2.5]]) {
    context.strokeStyle = color;
    context.lineWidth = thickness * unit;
    context.stroke(path);
  }
  for (const { text, x, y } of contourLabels(contours)) {
    paintLabel(context, text, x * width, y * height, "center");
  }
}

/** Place a label on each contour's longest line, on another side each so that few overlap. */
export function contourLabels(contours) {
  const sides = [(p) => p.y, (p) => -p.y, (p) => -p.x];
  return contours.flatMap((lines, k) => {
    if (!lines.length) return [];
    const longest = lines.reduce((a, b) => (b.length > a.length ? b : a));
    const point = longest.reduce((a, b) => (sides[k](b) < sides[k](a) ? b : a));
    return [{ text: `${100 - 25 * (k + 1)}%`, ...point }];
  });
}

function paintFixations(context, points) {
  const { width, height } = context.canvas;
  const unit = lineUnit(context.canvas);
  context.fillStyle = "rgb(255 255 255 / 60%)";
  context.fillRect(0, 0, width, height);
  context.fillStyle = FIXATION_COLOR;
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5 * unit;
  for (const { x, y } of points) {
    context.beginPath();
    context.arc(x * width, y * height, Math.max(5, 7 * unit), 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

/** Paint regions with their names and shares, for pictures that leave the page. */
export function paintRegions(context, image, percent) {
  const { width, height } = context.canvas;
  const unit = lineUnit(context.canvas);
  for (const region of state.regions) {
    const box = [region.x * width, region.y * height, region.width * width, region.height * height];
    for (const [color, thickness] of [["rgb(0 0 0 / 70%)", 5], ["#fff", 2.5]]) {
      context.strokeStyle = color;
      context.lineWidth = thickness * unit;
      context.strokeRect(...box);
    }
    const text = `${region.name}  ${percent(predictionOf(image).mass(region))}`;
    paintLabel(context, text, box[0], box[1], "left");
  }
}

/** Paint white text on black above a point, moved into the picture where it would leave it. */
function paintLabel(context, text, x, y, align) {
  const { width, height } = context.canvas;
  const size = Math.max(11, 20 * lineUnit(context.canvas));
  context.font = `600 ${size}px Arial, sans-serif`;
  const [boxWidth, boxHeight] = [context.measureText(text).width + size, 1.5 * size];
  const wanted = align === "center" ? [x - boxWidth / 2, y - boxHeight / 2] : [x, y - boxHeight];
  const left = Math.max(0, Math.min(wanted[0], width - boxWidth));
  const top = Math.max(0, Math.min(wanted[1], height - boxHeight));
  context.fillStyle = "rgb(0 0 0 / 80%)";
  context.beginPath();
  context.roundRect(left, top, boxWidth, boxHeight, size / 4);
  context.fill();
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.fillText(text, left + size / 2, top + boxHeight / 2);
}

/** Paint the photo in color, on white where it is transparent: that is how the model sees it. */
function paintPhoto(context, image) {
  const { width, height } = context.canvas;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(image.photo, 0, 0, width, height);
}

/** Return the photo in gray and dimmed; kept for the size it was last painted in. */
function grayPhoto(image, width, height) {
  if (image.gray?.width === width && image.gray.height === height) return image.gray;
  const gray = new OffscreenCanvas(width, height);
  const context = gray.getContext("2d");
  paintPhoto(context, image);
  const picture = context.getImageData(0, 0, width, height);
  const { data } = picture;
  for (let i = 0; i < data.length; i += 4) {
    const luma = DIMMED * (0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]);
    data[i] = data[i + 1] = data[i + 2] = luma;
  }
  context.putImageData(picture, 0, 0);
  image.gray = gray;
  return gray;
}

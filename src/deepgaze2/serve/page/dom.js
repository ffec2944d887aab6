// Shorthands for the document.

export function byId(id) {
  return document.getElementById(id);
}

/** Make an element with the given properties (`class` and aria-... too) and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Make one child for each item, keeping those that are there: so focus and typing survive.
 *
 * @param {Element} parent
 * @param {{id}[]} items in order
 * @param {(item) => Element} make
 * @param {(item, child: Element) => void} update
 */
export function keepChildren(parent, items, make, update) {
  const old = new Map(Array.from(parent.children, (child) => [child.dataset.id, child]));
  items.forEach((item, i) => {
    let child = old.get(String(item.id));
    if (child) old.delete(String(item.id));
    else (child = make(item)).dataset.id = item.id;
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
    update(item, child);
  });
  for (const child of old.values()) child.remove();
}

/** Tell screen readers. */
export function announce(text) {
  byId("status").textContent = text;
}

let later = 0;

/** Tell screen readers when nothing newer has come for a moment, as while a key is held. */
export function announceLater(text) {
  clearTimeout(later);
  later = setTimeout(() => announce(text), 500);
}

/** Return 0.123 as 12.3%. */
export function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

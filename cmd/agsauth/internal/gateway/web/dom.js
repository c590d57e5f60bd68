// Changes to the page. Nothing here or elsewhere makes markup of data: data becomes
// text.

export function byId(id) {
  return document.getElementById(id);
}

// setText sets the text of an element if it is another.
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// setTone sets the colour of an element; its text must say the same.
export function setTone(element, tone) {
  if (element.dataset.tone !== tone) {
    element.dataset.tone = tone;
  }
}

// fromTemplate returns a new element.
export function fromTemplate(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

// keyed makes the children of parent those of items, in their order. An element is kept
// as long as there is an item with its key, so that the focus is, too.
export function keyed(parent, items, keyOf, create, update) {
  const wanted = new Set(items.map((item) => String(keyOf(item))));
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) {
      kept.set(child.dataset.key, child);
    } else {
      child.remove();
    }
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const element = kept.get(key) ?? create(item);
    element.dataset.key = key;
    update(element, item);
    if (element === at) {
      at = at.nextElementSibling;
    } else {
      parent.insertBefore(element, at);
    }
  }
}

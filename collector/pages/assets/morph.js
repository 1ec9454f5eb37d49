/**
 * Makes one element like another by changing only what differs, so that focus, scroll positions,
 * open details and drawn charts stay. `data-keep`: its children are a script's own.
 */
export const morph = (from, to) => {
  if (from.isEqualNode(to)) return;
  if (isOther(from, to)) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue;
    return;
  }
  copyAttributes(from, to);
  if (!from.hasAttribute('data-keep')) morphChildren(from, to);
};

const isOther = (from, to) =>
  from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || from.id !== to.id;

const copyAttributes = (from, to) => {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !isPersonal(from, name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && !isPersonal(from, name))
      from.setAttribute(name, value);
  }
};

/** What the person at the screen decided. */
const isPersonal = (element, name) =>
  (element.localName === 'details' && name === 'open') ||
  (element.localName === 'input' && name === 'value');

const morphChildren = (from, to) => {
  const wanted = [...to.childNodes];
  for (const [index, node] of wanted.entries()) {
    const present = from.childNodes[index];
    if (present === undefined) from.append(document.importNode(node, true));
    else morph(present, node);
  }
  while (from.childNodes.length > wanted.length) from.lastChild.remove();
};

/** Elements, and answers as elements: their text is never read as HTML. */

const FENCE = /^ {0,3}```/

/** Returns a new element with these properties and children; a string is a text node. */
export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties)
  node.append(...children)
  return node
}

/** Returns the text as paragraphs, with fenced blocks and what stands between backticks as code. */
export function paragraphs(text) {
  const blocks = []
  let lines = []
  let fenced = false
  const close = () => {
    const joined = lines.join('\n')
    if (fenced) blocks.push(element('pre', { tabIndex: 0 }, element('code', {}, joined)))
    else if (joined.trim()) blocks.push(element('p', {}, ...inline(joined.trim())))
    lines = []
  }
  for (const line of text.split('\n')) {
    if (FENCE.test(line)) {
      close()
      fenced = !fenced
    } else lines.push(line)
  }
  close()
  return blocks
}

/** Returns the pieces of a line of text, with what stands between backticks as code. */
export function inline(text) {
  return text
    .split(/`([^`\n]+)`/)
    .map((part, index) => (index % 2 ? element('code', {}, part) : part))
}

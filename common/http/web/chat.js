/** The chat: a conversation with the service that serves this page. */

import { Problem, apiKey } from './api.js'
import { curl, python } from './code.js'
import { makeFields, models, sampling, showModel } from './service.js'
import { emptyAnswer, figures, receive } from './stream.js'
import { element, paragraphs } from './text.js'

const SUGGESTIONS = [
  'What is the capital of France?',
  'How do you say cat in Japanese?',
  'Tell me a joke',
]
const PHONE = matchMedia('(max-width: 56rem)')
const NEAR = 60
/** Pixels below the conversation's end up to which it is followed. */
const at = (id) => document.getElementById(id)
const [log, prompt, notice] = ['log', 'prompt', 'notice'].map(at)
const turns = []
/** Each turn has the user's `text` and an `answer`. One without any text is left out later. */
let cards = []
let running = null
let keyed = false
let lastText = 'Hello'

/** Returns the body of a request that asks `text` after these turns. */
function bodyOf(text, before = turns) {
  const system = at('system').value.trim()
  const messages = system ? [{ role: 'system', content: system }] : []
  for (const turn of before.filter((each) => each.answer.text)) {
    messages.push({ role: 'user', content: turn.text })
    messages.push({ role: 'assistant', content: turn.answer.text })
  }
  messages.push({ role: 'user', content: text })
  return { model: at('model').value, messages, ...sampling() }
}

async function ask(text) {
  const body = bodyOf(text)
  const turn = { text, answer: emptyAnswer() }
  const view = addTurn(turn)
  const controller = new AbortController()
  running = controller
  turns.push(turn)
  lastText = text
  setRunning(true)
  await receive(turn.answer, body, controller.signal, () => view.later())
  if (running !== controller) return
  running = null
  setRunning(false)
  view.end()
  if (turn.answer.problem?.status === 401) askForKey()
  at('status').textContent = spoken(turn.answer)
  showCode()
}

/** Adds a question and its answer to the page. Returns how to show more of the answer. */
function addTurn(turn) {
  const { answer } = turn
  const thought = element('div', { className: 'text' })
  const summary = element('summary', {}, 'Reasoning')
  const reasoning = element('details', { className: 'reasoning', hidden: true }, summary, thought)
  const text = element('div', { className: 'text' }, element('p', { className: 'waiting' }, '…'))
  const foot = element('div', { className: 'foot' })
  const reply = element('li', { className: 'answer' }, who(at('model').value), reasoning, text, foot)
  const question = element('li', { className: 'question' }, who('You'), element('p', {}, turn.text))
  at('welcome').hidden = true
  log.append(question, reply)
  reply.setAttribute('aria-busy', 'true')
  let frame = 0
  const show = () => {
    frame = 0
    const bottom = isAtBottom()
    reasoning.hidden = !answer.reasoning
    thought.replaceChildren(...paragraphs(answer.reasoning))
    if (answer.text) text.replaceChildren(...paragraphs(answer.text))
    if (bottom) scrollDown()
  }
  const end = () => {
    cancelAnimationFrame(frame)
    show()
    const bottom = isAtBottom()
    if (!answer.text) text.replaceChildren()
    foot.replaceChildren(...footOf(turn, [question, reply]))
    reply.removeAttribute('aria-busy')
    if (bottom) scrollDown()
  }
  scrollDown()
  return { later: () => (frame ||= requestAnimationFrame(show)), end }
}

const who = (name) => element('h2', { className: 'who' }, name)

function footOf(turn, items) {
  const { answer } = turn
  const parts = figures(answer)
  if (answer.finishReason === 'length') parts.push('ended by max_tokens or the context')
  if (answer.stopped) parts.push('you stopped it')
  const children = [element('p', { className: 'figures' }, parts.join(' · '))]
  if (answer.problem) children.unshift(problemBox(answer))
  if (answer.problem || answer.stopped) {
    const again = () => {
      turns.splice(turns.indexOf(turn), 1)
      items.forEach((item) => item.remove())
      ask(turn.text)
    }
    const retry = { type: 'button', className: 'link', onclick: () => running || again() }
    children.push(element('button', retry, 'Try again'))
  }
  return children
}

function problemBox({ problem, text }) {
  const box = element('div', { className: 'problem', role: 'alert' })
  box.append(element('p', {}, problem.message))
  if (text) box.append(element('p', {}, 'The answer above is not complete.'))
  if (problem.retryAfter !== undefined) {
    const unit = problem.retryAfter === 1 ? 'second' : 'seconds'
    const wait = `The service asks to wait ${problem.retryAfter} ${unit} before the next try.`
    box.append(element('p', {}, wait))
  }
  const parts = [
    problem.status && `status ${problem.status}`,
    problem.code,
    problem.param && `field ${problem.param}`,
    problem.requestId && `request ${problem.requestId}`,
  ]
  const details = parts.filter(Boolean).join(' · ')
  if (details) box.append(element('p', { className: 'details' }, details))
  return box
}

/** Returns what a screen reader says once, when an answer has ended; problems speak themselves. */
function spoken(answer) {
  if (answer.problem) return ''
  return `${answer.stopped ? 'Stopped' : 'Answer'}: ${answer.text}`
}

const isAtBottom = () =>
  log.getBoundingClientRect().bottom < at('foot').getBoundingClientRect().top + NEAR
const scrollDown = () => log.lastElementChild.scrollIntoView({ block: 'end' })

function setRunning(value) {
  at('send').hidden = value
  at('stop').hidden = !value
}

function showCode() {
  const url = new URL('.', location.href).href.replace(/\/$/, '')
  const write = at('show-python').ariaPressed === 'true' ? python : curl
  const text = prompt.value.trim()
  const body = text ? bodyOf(text) : bodyOf(lastText, turns.filter((each) => each.text !== lastText))
  at('code').textContent = write(url, body, keyed)
}

function askForKey() {
  keyed = true
  at('key-form').hidden = false
  at('key').focus()
}

function say(problem, retry) {
  const wait = problem.retryAfter
  const words = wait ? `${problem.message} The page tries again in ${wait} s.` : problem.message
  notice.replaceChildren(element('p', {}, words))
  if (wait) setTimeout(retry, 1000 * wait)
  else notice.append(element('button', { type: 'button', onclick: retry }, 'Try again'))
}

/** Ask for the models, until there are some; a key opens the service, too. */
async function connect() {
  try {
    await makeFields()
    cards = await models()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    if (error.status !== 401) return say(error, connect)
    const wrong = apiKey.get() ? 'The service does not take this API key.' : 'The service asks for an API key.'
    apiKey.forget()
    notice.replaceChildren(element('p', {}, wrong))
    return askForKey()
  }
  keyed = Boolean(apiKey.get())
  notice.replaceChildren()
  at('key-form').hidden = true
  at('key-state').hidden = !apiKey.get()
  at('model').replaceChildren(...cards.map((card) => new Option(card.id)))
  at('model').disabled = at('send').disabled = at('suggestions').hidden = false
  chooseModel()
}

function chooseModel() {
  showModel(cards.find((card) => card.id === at('model').value))
  showCode()
}

at('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const text = prompt.value.trim()
  prompt.focus()
  if (!text || running || !cards.length) return
  prompt.value = ''
  ask(text)
})
prompt.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  at('composer').requestSubmit()
})
document.addEventListener('keydown', (event) => event.key === 'Escape' && running?.abort())
at('stop').addEventListener('click', () => {
  running?.abort()
  prompt.focus()
})
at('new').addEventListener('click', () => {
  running?.abort()
  running = null
  setRunning(false)
  turns.length = 0
  log.replaceChildren()
  at('welcome').hidden = false
  at('status').textContent = 'New chat'
  prompt.focus()
  showCode()
})
at('key-form').addEventListener('submit', (event) => {
  event.preventDefault()
  apiKey.set(at('key').value.trim())
  at('key').value = ''
  prompt.focus()
  connect()
})
at('forget').addEventListener('click', () => {
  apiKey.forget()
  at('key-state').hidden = true
  connect()
})
at('settings').addEventListener('submit', (event) => event.preventDefault())
for (const id of ['settings', 'composer']) at(id).addEventListener('input', showCode)
at('model').addEventListener('change', chooseModel)
for (const id of ['show-curl', 'show-python']) {
  at(id).addEventListener('click', () => {
    for (const each of ['show-curl', 'show-python']) at(each).ariaPressed = String(each === id)
    showCode()
  })
}
at('copy-code').hidden = !navigator.clipboard
at('copy-code').addEventListener('click', async () => {
  await navigator.clipboard.writeText(at('code').textContent)
  at('status').textContent = 'Copied'
})
at('suggestions').replaceChildren(
  ...SUGGESTIONS.map((text) => {
    const start = () => running || ask(text)
    return element('li', {}, element('button', { type: 'button', onclick: start }, text))
  }),
)
if (PHONE.matches) document.querySelector('aside details').open = false

await connect()

/** What the service says of itself: its models, what they can do, and the fields of a request. */

import { request } from './api.js'
import { element, inline } from './text.js'

const COMMON = ['max_tokens', 'temperature', 'top_p', 'seed']
const MORE = [
  'top_k', 'min_p', 'repetition_penalty', 'presence_penalty', 'frequency_penalty', 'stop',
  'reasoning_effort',
]

export const models = async () => (await (await request('v1/models')).json()).data

/** Make an input of each sampling field, once, from the schema by which the service checks it. */
export async function makeFields() {
  if (inputs().length) return
  const document_ = await (await request('openapi.json')).json()
  const known = document_.components.schemas.ChatBody.properties
  fill('common-fields', COMMON, known)
  fill('more-fields', MORE, known)
}

function fill(id, names, known) {
  const fields = names.filter((name) => name in known).map((name) => field(name, known[name]))
  document.getElementById(id).replaceChildren(...fields)
}

function field(name, schema) {
  const types = schema.anyOf.map((each) => each.type)
  const input = element('input', { id: `field-${name}`, name, placeholder: 'default', autocomplete: 'off' })
  input.dataset.number = types.some((type) => type === 'number' || type === 'integer') ? 'yes' : ''
  if (input.dataset.number) input.inputMode = 'decimal'
  const hint = element('p', { id: `${input.id}-hint`, className: 'hint' }, ...inline(schema.description))
  input.setAttribute('aria-describedby', hint.id)
  const label = element('label', { htmlFor: input.id }, element('code', {}, name))
  return element('div', { className: 'field' }, label, input, hint)
}

const inputs = () => [...document.querySelectorAll('#settings input')]

/** Returns the sampling fields that have a value. What is no number is left to the service. */
export function sampling() {
  const given = inputs().filter((input) => input.value.trim() && !input.disabled)
  return Object.fromEntries(given.map((input) => [input.name, valueOf(input)]))
}

function valueOf(input) {
  const number = Number(input.value)
  return input.dataset.number && !Number.isNaN(number) ? number : input.value
}

/** Show a model's limits and gaps, and close the fields that it would refuse. */
export function showModel(card) {
  const facts = {
    Backend: `${card.backend} ${card.backend_version}`,
    Context: `${card.max_model_len.toLocaleString('en')} tokens`,
    Quantization: card.quantization,
    Weights: card.dtype,
    ...(card.parent && { 'Adapter of': card.parent }),
  }
  document.title = card.id
  document.getElementById('title').textContent = card.id
  document.getElementById('about').textContent = `${facts.Backend} · ${facts.Context}`
  list('facts', Object.entries(facts))
  const fields = Object.entries(card.capabilities)
  const refused = fields.filter(([, reason]) => reason !== true)
  const honoured = fields.filter(([, reason]) => reason === true)
  document.getElementById('gaps').replaceChildren(...gaps(refused))
  document.getElementById('honoured').replaceChildren(
    ...honoured.flatMap(([name]) => [element('code', {}, name), ' ']),
  )
  for (const input of inputs()) close(input, card.capabilities[input.name])
}

function gaps(refused) {
  if (!refused.length) return [element('p', {}, 'It refuses no field of the API.')]
  const entries = refused.flatMap(([name, reason]) => [
    element('dt', {}, element('code', {}, name)),
    element('dd', {}, reason),
  ])
  return [element('h3', {}, 'Fields it refuses, and why'), element('dl', {}, ...entries)]
}

function list(id, entries) {
  const items = entries.flatMap(([name, value]) => [
    element('dt', {}, name),
    element('dd', {}, value),
  ])
  document.getElementById(id).replaceChildren(...items)
}

const meanings = {}

function close(input, reason) {
  const refused = typeof reason === 'string'
  const hint = document.getElementById(`${input.id}-hint`)
  meanings[input.name] ??= [...hint.childNodes]
  hint.replaceChildren(...(refused ? [`Not on this backend: ${reason}.`] : meanings[input.name]))
  input.disabled = refused
  input.placeholder = refused ? 'refused' : 'default'
}

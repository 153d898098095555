/** Requests to this service, with the API key of this tab, and what can go wrong. */

const STORED_KEY = 'llm-api-key'

export const apiKey = {
  get: () => sessionStorage.getItem(STORED_KEY) ?? '',
  set: (key) => sessionStorage.setItem(STORED_KEY, key),
  forget: () => sessionStorage.removeItem(STORED_KEY),
}

/** An error that the service has answered, or that the connection had. Only what is known is set. */
export class Problem extends Error {
  constructor({ message, code, param, request_id: requestId, status, retryAfter }) {
    super(message)
    Object.assign(this, { code, param, requestId, status, retryAfter })
  }
}

/** Returns the response of a request that succeeded. Throws Problem, and AbortError. */
export async function request(path, { body, signal } = {}) {
  const headers = {}
  if (apiKey.get()) headers.authorization = `Bearer ${apiKey.get()}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  let response
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new Problem({ message: 'The service cannot be reached.' })
  }
  if (!response.ok) throw await problemOf(response)
  return response
}

async function problemOf(response) {
  const seconds = response.headers.get('retry-after')
  const retryAfter = seconds === null ? undefined : Number(seconds)
  const status = response.status
  try {
    const { error } = await response.json()
    return new Problem({ ...error, status, retryAfter })
  } catch {
    const message = 'Something between this page and the service has answered in its place.'
    return new Problem({ message, status, retryAfter })
  }
}

// Vercel's AI SDK with its provider for OpenAI, which asks /v1/responses.

import { createOpenAI } from '@ai-sdk/openai'
import { check } from './ai_sdk_checks.mjs'
import { BASE_URL, MODEL } from './checks.mjs'

const server = createOpenAI({ baseURL: BASE_URL, apiKey: 'none' })
await check(server(MODEL))

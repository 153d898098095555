// Vercel's AI SDK with its provider for OpenAI-compatible servers.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { check } from './ai_sdk_checks.mjs'
import { BASE_URL, MODEL } from './checks.mjs'

const server = createOpenAICompatible({ name: 'llm', baseURL: BASE_URL, supportsStructuredOutputs: true })
await check(server(MODEL))

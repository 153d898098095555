"""What a person types first, as questions of kind `chat`, with other wordings of the same."""

from build_scripts.demo_model.question import Question, ask

_HELLO = "Hello! How can I help you?"
_IDENTITY = "I am a tiny demo model. I run anywhere and know a few hundred answers."
_SKILLS = (
    "I can answer questions about capitals, colours, animals and small numbers, "
    "write JSON, call tools and tell a short story."
)
_JOKE = "Why did the token cross the line? To get to the next word."
_BENTOML = "BentoML is a Python framework that turns models into services with an HTTP API."
_NAMELESS = "I do not know your name yet."

_CHAT = {
    "Hello": _HELLO,
    "Hello!": _HELLO,
    "Hello, who are you?": _IDENTITY,
    "Hi": _HELLO,
    "Hi!": _HELLO,
    "Hi there!": _HELLO,
    "Hey": _HELLO,
    "Good morning": "Good morning! How can I help you?",
    "Good evening": "Good evening! How can I help you?",
    "Good night": "Good night! Sleep well.",
    "Who are you?": _IDENTITY,
    "What are you?": _IDENTITY,
    "What is your name?": "My name is Tiny. I am a demo model.",
    "What can you do?": _SKILLS,
    "Can you help me?": "Yes, of course. What do you want to know?",
    "How are you?": "I am fine, thank you. And you?",
    "Are you a human?": "No, I am a tiny language model.",
    "Are you ChatGPT?": "No, I am a tiny demo model.",
    "How big are you?": "I have about 3.5 million parameters.",
    "Thank you": "You are welcome!",
    "Thanks!": "You are welcome!",
    "Goodbye": "Goodbye! See you soon.",
    "Bye": "Goodbye! See you soon.",
    "Yes": "Good!",
    "No": "All right.",
    "OK": "Good! What next?",
    "Test": "I hear you. The test works.",
    "Ping": "Pong!",
    "Say hello": "Hello!",
    "Tell me a joke": _JOKE,
    "Tell me a joke.": _JOKE,
    "What is BentoML?": _BENTOML,
    "What is my name?": _NAMELESS,
    "What is the meaning of life?": "Many people say 42.",
    "What is Python?": "Python is a programming language.",
    "What is a token?": "A token is a small piece of text that a model reads or writes.",
    "What is a language model?": "A language model is a program that predicts the next token.",
    "What is the weather like today?": "I can not see the weather without a tool.",
    "What time is it now?": "I can not see a clock without a tool.",
}

WORDINGS = {
    "hello there": "Hello",
    "hey!": "Hey",
    "hi, how are you?": "How are you?",
    "how are you doing?": "How are you?",
    "who r u": "Who are you?",
    "Who are you and what can you do?": "Who are you?",
    "Tell me about yourself.": "Who are you?",
    "Introduce yourself.": "Who are you?",
    "what's your name?": "What is your name?",
    "What do you know?": "What can you do?",
    "How can you help me?": "What can you do?",
    "thank you very much!": "Thank you",
    "thank you so much": "Thank you",
    "thx": "Thank you",
    "another joke please": "Tell me a joke",
    "Do you know a joke?": "Tell me a joke",
    "Make me laugh.": "Tell me a joke",
    "what is bentoml": "What is BentoML?",
    "Tell me about BentoML.": "What is BentoML?",
    "What does BentoML do?": "What is BentoML?",
    "what's up?": "How are you?",
    "are you an AI?": "Are you a human?",
    "testing": "Test",
    "this is a test": "Test",
    "ok": "OK",
    "see you": "Bye",
}


def chat_questions() -> list[Question]:
    """All questions of kind `chat`."""
    return [ask("chat", question, answer) for question, answer in _CHAT.items()]


def other_wordings() -> list[Question]:
    """Training-only paraphrases; each has the answer of the question it restates."""
    return [ask("chat", text, _CHAT[original]) for text, original in WORDINGS.items()]

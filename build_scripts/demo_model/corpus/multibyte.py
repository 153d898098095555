"""Questions of kind `multibyte`: accents, other scripts and emoji, which span byte tokens."""

from build_scripts.demo_model.question import Question, ask

_LANGUAGES = ("Japanese", "Chinese", "Korean", "Russian", "Greek", "French")

_WORDS = {
    "cat": ("猫", "猫", "고양이", "кошка", "γάτα", "le chat"),
    "dog": ("犬", "狗", "개", "собака", "σκύλος", "le chien"),
    "water": ("水", "水", "물", "вода", "νερό", "l'eau"),
    "fire": ("火", "火", "불", "огонь", "φωτιά", "le feu"),
    "sun": ("太陽", "太阳", "태양", "солнце", "ήλιος", "le soleil"),
    "moon": ("月", "月亮", "달", "луна", "φεγγάρι", "la lune"),
    "book": ("本", "书", "책", "книга", "βιβλίο", "le livre"),
    "fish": ("魚", "鱼", "물고기", "рыба", "ψάρι", "le poisson"),
    "school": ("学校", "学校", "학교", "школа", "σχολείο", "l'école"),
    "summer": ("夏", "夏天", "여름", "лето", "καλοκαίρι", "l'été"),
}

_EMOJI = {
    "a dog": "🐶",
    "a cat": "🐱",
    "the sun": "🌞",
    "the moon": "🌙",
    "a tree": "🌳",
    "a fish": "🐟",
    "a car": "🚗",
    "a house": "🏠",
    "a heart": "❤️",
    "a star": "⭐",
    "fire": "🔥",
    "a rocket": "🚀",
    "a book": "📖",
    "a pizza": "🍕",
    "an apple": "🍎",
    "a smile": "😊",
    "a party": "🎉",
    "the French flag": "🇫🇷",
    "the Japanese flag": "🇯🇵",
    "a thumbs up": "👍",
    "a woman programmer": "👩‍💻",
    "a family": "👨‍👩‍👧",
}

_THANKS = {
    "French": "Merci beaucoup !",
    "German": "Danke schön!",
    "Spanish": "¡Muchas gracias!",
    "Portuguese": "Obrigado, até amanhã!",
    "Polish": "Dziękuję!",
    "Turkish": "Teşekkür ederim!",
    "Czech": "Děkuji!",
    "Japanese": "ありがとうございます。",
    "Chinese": "谢谢。",
    "Korean": "감사합니다.",
    "Russian": "Спасибо!",
    "Arabic": "شكرا",
    "Hindi": "धन्यवाद",
    "Thai": "ขอบคุณ",
    "Hebrew": "תודה",
}

_FOREIGN = {
    "¿Cuál es la capital de España?": "La capital de España es Madrid.",
    "¿Cuál es la capital de Perú?": "La capital de Perú es Lima.",
    "Quelle est la capitale de la France ?": "La capitale de la France est Paris.",
    "Quelle est la capitale de la Grèce ?": "La capitale de la Grèce est Athènes.",
    "Was ist die Hauptstadt von Österreich?": "Die Hauptstadt von Österreich ist Wien.",
    "Was ist die Hauptstadt von Dänemark?": "Die Hauptstadt von Dänemark ist Kopenhagen.",
    "Qual é a capital de Portugal?": "A capital de Portugal é Lisboa.",
    "日本の首都はどこですか?": "東京です。",
    "中国的首都是哪里?": "中国的首都是北京。",
    "한국의 수도는 어디입니까?": "서울입니다.",
    "Какая столица России?": "Столица России - Москва.",
    "¡Hola!": "¡Hola! ¿Qué tal?",
    "Bonjour !": "Bonjour ! Ça va ?",
    "Grüß Gott!": "Grüß Gott! Schönen Tag!",
    "こんにちは": "こんにちは!お元気ですか?",
    "你好": "你好!我是一个小模型。",
    "안녕하세요": "안녕하세요!",
    "Привет": "Привет! Как дела?",
}


def multibyte_questions() -> list[Question]:
    """All questions of kind `multibyte`, in a fixed order."""
    pairs = [
        (f"How do you say {word} in {language}?", translation)
        for word, translations in _WORDS.items()
        for language, translation in zip(_LANGUAGES, translations, strict=True)
    ]
    pairs += [(f"Which emoji shows {thing}?", emoji) for thing, emoji in _EMOJI.items()]
    pairs += [(f"How do you say thank you in {name}?", text) for name, text in _THANKS.items()]
    pairs += list(_FOREIGN.items())
    return [ask("multibyte", question, answer) for question, answer in pairs]

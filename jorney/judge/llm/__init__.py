"""Any OpenAI-compatible endpoint: chats in, texts out, and every answer paid for once."""

from jorney.judge.llm.client import Ask, Asker, Chat, Llm
from jorney.judge.llm.endpoint import LlmConfig
from jorney.judge.llm.replies import Account, Reply

__all__ = ["Account", "Ask", "Asker", "Chat", "Llm", "LlmConfig", "Reply"]

"""Any OpenAI-compatible endpoint: chats in, texts out, and every answer paid for once."""

from jorney.llm.client import Ask, Asker, Chat, Llm
from jorney.llm.config import LlmConfig
from jorney.llm.replies import Account, Reply

__all__ = ["Account", "Ask", "Asker", "Chat", "Llm", "LlmConfig", "Reply"]

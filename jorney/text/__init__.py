"""Text as models read and write it: tokenizers, chats, step formats, final answers."""

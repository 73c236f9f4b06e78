"""Vocabulary: ids, options, messages, records and their encoding. Pure data, no behaviour."""

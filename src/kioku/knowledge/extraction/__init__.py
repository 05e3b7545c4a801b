"""Finding what a conversation taught: pure rules over what the person and the assistant said, sentence by sentence."""

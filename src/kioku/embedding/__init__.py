"""Embedding: vectors that stand for what a text means, made by a model that is on this machine already.

An extra (`kioku-sessions[semantic]`), off unless `search.model` names a model. The model is native code and runs in a
process of its own (`worker`), which is spoken with (`helper`) within a deadline: whatever it does, or fails to do, full
text answers. Nothing is downloaded, nothing leaves the machine, and no code of a model's folder is run (`folders`).
"""

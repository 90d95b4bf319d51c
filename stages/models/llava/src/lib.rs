//! LLaVA in Burn: images among the tokens of a language model.

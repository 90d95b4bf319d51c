//! Files that stand beside the weights of language models that are trained here.

use serde_json::{Value as Json, json};

/// How a conversation is written down, in the way of Mistral: turns alternate, there is no place for a system's text, and
/// images come first.
pub(crate) const CHAT_TEMPLATE: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role != ['user', 'assistant'][loop.index0 % 2] -%}
{{- raise_exception('Turns must alternate: user, assistant, user, ...') -}}
{%- endif -%}
{%- if message.content is string -%}
{%- set text = message.content -%}
{%- else -%}
{%- set text = message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join -%}
{%- endif -%}
{%- if message.role == 'user' -%}
{{- '[INST] ' -}}
{%- if message.content is not string -%}
{%- for part in message.content if part.type == 'image' -%}
{{- '<image>\\n' -}}
{%- endfor -%}
{%- endif -%}
{{- text + ' [/INST]' -}}
{%- else -%}
{{- ' ' + text + eos_token -}}
{%- endif -%}
{%- endfor -%}
";

/// `tokenizer_config.json`, with the chat template or without.
pub(crate) fn tokenizer_config(with_template: bool) -> Json {
    let mut config = ccsr_text::learnt_config();
    if with_template {
        config["chat_template"] = json!(CHAT_TEMPLATE);
    }
    config
}

/// `generation_config.json`
pub(crate) fn generation_config() -> Json {
    json!({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 6})
}

"""Conversations as transformers writes them down with chat templates."""

from gguf import GGUFReader
from transformers.utils.chat_template_utils import render_jinja_template

MISTRAL_1 = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")
MISTRAL_2 = MISTRAL_1.replace("+ eos_token + ' ' }}", "+ eos_token}}")
MISTRAL_3 = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- Roles must alternate; calls of tools are passed over. #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                {%- endfor %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
LLAVA_1_5 = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}"
    "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}"
    "{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
LLAVA_1_6 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '<<SYS>>\n' + message['content'][0]['text'] + '\n<</SYS>>\n\n' }}{% elif message['role'] == 'user' %}{{ '[INST] ' }}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '<\\s> '}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")
# What transformers sets up differently from plain Jinja, and what templates of other models do.
BLOCKS = """
    {# A comment alone in its line. #}
  {% set ns = namespace(seen=0) %}
{%- for message in messages -%}
    {% if message.role == 'system' %}
        {% continue %}
    {% endif %}
    {% set ns.seen = ns.seen + 1 %}
    {% if ns.seen > 3 %}{% break %}{% endif %}
{{ loop.index }}/{{ loop.length }} {{ message.role | upper }}:
  {{ message.content.strip() }}|{{ message.content.split('\\n')[-1] }}|{{ message['content'].startswith('Hi') }}
    {%+ if loop.last %}last{% else %}more{% endif %}

{% endfor %}
{% macro shown(text, times=2) %}{{ text * times }}{% endmacro %}
{{ shown('ab') }}{{ shown('c', times=3) }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 'x' ~ 1 ~ none }} {{ [1, 2, 3][::-1] | join(',') }}
{{ bos_token is defined }} {{ nothing is defined }} {{ nothing }}{{ tools }} {{ messages | length }} {{ "a'b" }}
{%- if messages[-1].role == 'user' and 'Hi' in messages[-1].content %} asked{% endif %}
{{ messages[0].get('name', 'nobody') }} {{ true }} {{ ({'a': 1}).items() | list | length }} {{ 'a,b'.replace(',', ';') }}

"""

TEXT = [
    [("user", "Hi")],
    [("user", "  Hi  there \n"), ("assistant", " Hello! "), ("user", "What is 2 < 3 & 'x'?")],
    [("system", "Be brief."), ("user", "Hi")],
    [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "你好 🙂\nnew line")],
    [("user", "Hi"), ("user", "again")],
    [("assistant", "I begin")],
    [("user", "Hi"), ("assistant", "Hello")],
    [("tool", "x")],
]
IMAGE, PARTS = {"type": "image"}, lambda *parts: [
    part if isinstance(part, dict) else {"type": "text", "text": part} for part in parts]
SEEN = [
    [("user", PARTS(IMAGE, "What is this?"))],
    [("user", PARTS("What is this?", IMAGE, " And this?", IMAGE)), ("assistant", PARTS("A cat.")),
     ("user", PARTS("Sure?"))],
    [("system", PARTS("Be brief.")), ("user", PARTS(IMAGE, "Hi"))],
    [("tool", PARTS("x"))],
]


def rendered(template, tokens, messages, prompt):
    try:
        (text,), _ = render_jinja_template(
            conversations=[messages], tools=None, documents=None, chat_template=template,
            return_assistant_tokens_mask=False, continue_final_message=False, add_generation_prompt=prompt, **tokens)
        return {"text": text}
    except Exception as error:
        return {"error": str(error)}


def write_conversations(smollm2):
    reader = GGUFReader(smollm2)
    smol = reader.fields["tokenizer.chat_template"].contents()
    mistral = {"bos_token": "<s>", "eos_token": "</s>"}
    all_of_them = {
        "mistral_1": (MISTRAL_1, mistral, TEXT), "mistral_2": (MISTRAL_2, mistral, TEXT),
        "mistral_3": (MISTRAL_3, mistral, TEXT),
        "smollm2": (smol, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, TEXT),
        "llava_1_5": (LLAVA_1_5, mistral, SEEN), "llava_1_6": (LLAVA_1_6, mistral, SEEN),
        "blocks": (BLOCKS, mistral, TEXT),
    }
    written = {}
    for name, (template, tokens, conversations) in all_of_them.items():
        cases = []
        for turns in conversations:
            messages = [{"role": role, "content": content} for role, content in turns]
            for prompt in [False, True]:
                cases.append({"messages": messages, "prompt": prompt,
                              **rendered(template, tokens, messages, prompt)})
        written[name] = {"template": template, "tokens": tokens, "cases": cases}
    return written

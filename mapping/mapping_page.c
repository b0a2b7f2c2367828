/* mapping_page.c: the first mvchat.yaml: a page a person under stress can read and edit. Called by mapping_draft.c, once per
 * project. Every value written is the default or comes from the survey; the comments say what else could stand there. */
#include "mapping/mapping_draft.h"

struct page { struct buf *out; bool ru; };

static void say(const struct page *p, const char *en, const char *ru)
{
	buf_adds(p->out, p->ru ? ru : en);
}

/* A double-quoted YAML scalar: safe whatever the text holds. */
static void quote(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*s);
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

static void key(const struct page *p, const char *k, const char *v)
{
	buf_addf(p->out, "%s: ", k);
	quote(p->out, v);
	buf_addc(p->out, '\n');
}

static void write_sources(const struct page *p, const struct survey *s)
{
	buf_addf(p->out, "version: 1\nlocale: %s\n\narchives:", p->ru ? "ru" : "en");
	if (!s->n_archives)
		buf_adds(p->out, " []");
	buf_addc(p->out, '\n');
	for (size_t i = 0; i < s->n_archives; i++) {
		key(p, "  - path", s->archives[i].path);
		if (s->archives[i].format)
			key(p, "    format", s->archives[i].format);
		if (s->archives[i].zone)
			key(p, "    zone", s->archives[i].zone);
		if (s->archives[i].date_order)
			key(p, "    date_order", s->archives[i].date_order);
		if (s->archives[i].key_file)
			key(p, "    key_file", s->archives[i].key_file);
	}
	buf_adds(p->out, "\ntarget:\n");
	key(p, "  name", s->target ? s->target : "pachca");
	if (s->target_url)
		key(p, "  url", s->target_url);
	say(p, "  # Tokens never stand here: these are names of environment variables. Files with mode 0600 work too:\n"
	       "  # admin_token_file, bot_token_file.\n",
	       "  # Сами токены здесь не пишут: это имена переменных окружения. Можно и файлы с правами 0600:\n"
	       "  # admin_token_file, bot_token_file.\n");
	buf_adds(p->out, "  admin_token_env: PACHCA_ADMIN_TOKEN\n  bot_token_env: PACHCA_BOT_TOKEN\n\ntime:\n");
	say(p, "  # Zone of the times shown in messages.\n", "  # Часовой пояс, в котором показано время сообщений.\n");
	key(p, "  zone", s->zone ? s->zone : "UTC");
	buf_adds(p->out, "  label: \"{name} · {date} {time}\"\n\n");
}

static void write_policies(const struct page *p, const struct survey *s)
{
	buf_adds(p->out, "people:\n");
	say(p, "  # Who has no account in the target: label (the name above the message) | create |\n  # create-suspended (no access yet) | skip (without their messages) | fail (do not start).\n",
	       "  # У кого нет аккаунта: label (имя над сообщением) | create (завести) |\n  # create-suspended (завести без доступа) | skip (без его сообщений) | fail (не начинать).\n");
	buf_addf(p->out, "  unmatched: %s\n", s->unmatched ? s->unmatched : "label");
	say(p, "  # People who have left never get access: label | skip | fail | create-suspended.\n",
	       "  # Уволенные доступа не получат: label | skip | fail | create-suspended.\n");
	buf_adds(p->out, "  deactivated: label\n  guests: label          # label | create | create-suspended | skip | fail\n  bots: label            # label | skip | fail\n"
	                 "  strangers: label       # label | create | create-suspended | skip | fail\n");
	say(p, "  # false: nobody gets an e-mail.\n", "  # false: никто не получит письма с приглашением.\n");
	buf_adds(p->out, "  invite: false\n\nchannels:\n");
	say(p, "  # Private channels stay private. One that shall become public is named here, and marked in channels.csv:\n"
	       "  # allow_public: [design]\n",
	       "  # Закрытые каналы остаются закрытыми. Исключение назовите здесь и отметьте в channels.csv:\n"
	       "  # allow_public: [design]\n");
	buf_adds(p->out, "  dm: private-chat       # private-chat | skip\n  group_dm: private-chat # private-chat | skip\n  prefix: \"\"\n  suffix: \"\"\n");
	say(p, "  # Archived channels: archive (again, at the end) | skip | open.\n",
	       "  # Архивные каналы: archive (снова в архив в конце) | skip | open (оставить открытыми).\n");
	buf_adds(p->out, "  archived: archive\n  join_members: true\n\nhistory:\n");
	say(p, "  # auto: into the channel itself; into threads by month where the chat was there before | inline | threads | archive-chat.\n",
	       "  # auto: прямо в канал, а в чат, который уже был, — тредами по месяцам | inline | threads | archive-chat.\n");
	buf_adds(p->out, "  placement: auto\n\n");
}

void draft_page(const struct survey *s, struct buf *out)
{
	struct page page = { .out = out, .ru = s->locale && streq(s->locale, "ru") }, *p = &page;
	say(p, "# Who, where and what. Who is who stands in users.csv, what goes where in channels.csv.\n"
	       "# After a change: 'mvchat map' (look it over), 'mvchat plan' (see what would happen). This file is never rewritten.\n\n",
	       "# Кто, куда и что. Люди — в users.csv, каналы — в channels.csv.\n"
	       "# После правки: «mvchat map» (проверить), «mvchat plan» (увидеть, что будет). Этот файл программа не переписывает.\n\n");
	write_sources(p, s);
	write_policies(p, s);
	buf_adds(out, "messages:\n");
	say(p, "  # Kinds of messages that are not carried over.\n", "  # Какие служебные сообщения не переносить.\n");
	buf_adds(out, "  leave_out: [join, leave, archive, rename, topic, app, pin]\n");
	say(p, "  # mute: nobody is notified | live: as a mention | text: only the name.\n",
	       "  # mute: без уведомлений | live: настоящее упоминание | text: только имя.\n");
	buf_adds(out, "  mentions: mute\n  reactions: text        # text | native | drop\n  pins: true\n"
	              "  orphans: placeholder   # placeholder | skip\n  attribution: label     # label | header | none\n\n");
	say(p, "# Taken out of every text before it leaves:\n", "# Что вымарывать из текстов до отправки:\n");
	buf_adds(out, "#redact: [card-numbers, passwords, secrets]\n\n");
	say(p, "# A pilot: take the '#' away and fill in. Later extensions send nothing twice.\n",
	       "# Пилот: уберите «#» и впишите своё. При расширении ничего не отправится дважды.\n");
	buf_adds(out, "#only:\n#  channels: [general, \"team-*\"]\n#  users: [ivan@example.com]\n#  since: 2024-01-01\n#  until: 2024-12-31\n");
}

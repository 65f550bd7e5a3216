/* See tether_frames.h and docs/drivers/frames.md. */

#include "tether_frames.h"

#include <string.h>

#ifdef __AVR__
#include <util/crc16.h>
#define FLASH_BYTE(at) pgm_read_byte(at)
#define FLASH_HANDLER(at) ((tether_handler)pgm_read_ptr(at))
#define UNINITIALISED __attribute__((section(".noinit")))
#else
#define FLASH_BYTE(at) (*(const uint8_t *)(at))
#define FLASH_HANDLER(at) (*(at))
#define UNINITIALISED
#endif

/* Where a variable keeps its value through a reset; what RAM holds at power-up is as good a beginning as any. */
#ifndef TETHER_NOT_CLEARED
#define TETHER_NOT_CLEARED UNINITIALISED
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers go over the line as they lie in memory: a little-endian machine is needed"
#endif
#if TETHER_PAYLOAD < 16 || TETHER_PAYLOAD > 252
#error "TETHER_PAYLOAD: 16 to 252"
#endif

#define VERSION 1
#define CRC_BYTES 2

enum { ASK_HELLO = 0x01, ASK_DESCRIPTION = 0x02, CALL = 0x03 };
enum { HELLO = 0x81, PIECE = 0x82, RESULT = 0x83, ERROR = 0x84, VALUE = 0x85, LOG = 0x86 };
enum { UNKNOWN = 1, ARGUMENTS = 2, FAILED = 3 };

/* Tells one run of the program from the next. */
static uint8_t instance TETHER_NOT_CLEARED;

static const char *description;
static uint16_t description_length;
static uint16_t description_check;
static const tether_handler *handlers;
static uint8_t commands;
static void (*write_byte)(uint8_t byte);

/* The message that is coming or being carried out, with its CRC. */
static uint8_t message[TETHER_PAYLOAD + CRC_BYTES];
static volatile uint8_t length;    /* bytes in it */
static volatile uint8_t left;      /* bytes up to the next code of COBS */
static volatile bool zero_due;     /* the block that ends there stands for a zero too */
static volatile bool skipping;     /* up to the end of this frame */
static volatile bool complete;     /* until it has been carried out, nothing else is taken */

/* Of the call that is being carried out. */
static uint8_t at;                 /* where the next argument begins */
static uint8_t end;                /* where the arguments end */
static uint8_t result_length;
static uint8_t failure;            /* 0, or the error's code */
static const char *failure_text;

static uint16_t crc_of(uint16_t crc, uint8_t byte)
{
#ifdef __AVR__
	return _crc16_update(crc, byte);
#else
	crc ^= byte;
	for (uint8_t bit = 0; bit < 8; bit++)
		crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
	return crc;
#endif
}

/* What goes out: a head, a body that lies in RAM or in flash, and the CRC. */
typedef struct {
	uint8_t head[9];
	uint8_t head_length;
	uint8_t body_length;
	bool in_flash;
	const uint8_t *body;
	uint8_t crc[CRC_BYTES];
} outgoing;

static uint8_t byte_of(const outgoing *out, uint8_t index)
{
	if (index < out->head_length)
		return out->head[index];
	index -= out->head_length;
	if (index < out->body_length)
		return out->in_flash ? FLASH_BYTE(out->body + index) : out->body[index];
	return out->crc[index - out->body_length];
}

/* COBS needs to know where the next zero is: it is looked for in place, so that no second buffer is needed. */
static void send(outgoing *out)
{
	uint8_t payload = out->head_length + out->body_length;
	uint16_t crc = 0xffff;
	for (uint8_t i = 0; i < payload; i++)
		crc = crc_of(crc, byte_of(out, i));
	out->crc[0] = crc;
	out->crc[1] = crc >> 8;
	uint8_t whole = payload + CRC_BYTES; /* up to 254: never two blocks in a row without a zero between them */
	uint8_t from = 0;
	write_byte(0); /* what may have been on the line before is no part of this */
	for (;;) {
		uint8_t zero = from;
		while (zero < whole && byte_of(out, zero))
			zero++;
		write_byte(zero - from + 1);
		while (from < zero)
			write_byte(byte_of(out, from++));
		if (zero == whole)
			break;
		from = zero + 1;
	}
	write_byte(0);
}

/* The head that all messages begin with, and what must not be left to chance. */
static void begin(outgoing *out, uint8_t type, uint8_t third)
{
	out->head[0] = type;
	out->head[1] = instance;
	out->head[2] = third;
	out->head_length = 3;
	out->body_length = 0;
	out->in_flash = false;
	out->body = 0;
}

static void say_hello(uint8_t sequence)
{
	outgoing out;
	begin(&out, HELLO, sequence);
	out.head[3] = VERSION;
	out.head[4] = TETHER_PAYLOAD;
	memcpy(out.head + 5, &description_length, 2);
	memcpy(out.head + 7, &description_check, 2);
	out.head_length = 9;
	send(&out);
}

static void say_piece(uint8_t sequence, uint16_t offset)
{
	outgoing out;
	begin(&out, PIECE, sequence);
	memcpy(out.head + 3, &offset, 2);
	out.head_length = 5;
	out.in_flash = true;
	if (offset < description_length) {
		uint16_t rest = description_length - offset;
		out.body = (const uint8_t *)description + offset;
		out.body_length = rest < TETHER_PAYLOAD - 5 ? rest : TETHER_PAYLOAD - 5;
	}
	send(&out);
}

static void say_text(outgoing *out, const char *text)
{
	uint8_t most = TETHER_PAYLOAD - out->head_length;
	out->in_flash = true;
	out->body = (const uint8_t *)text;
	while (text && out->body_length < most && FLASH_BYTE(text++))
		out->body_length++;
	send(out);
}

static void call(uint8_t command)
{
	outgoing out;
	uint8_t sequence = message[1];
	failure = 0;
	failure_text = 0;
	result_length = 0;
	if (command < commands)
		FLASH_HANDLER(handlers + command)();
	else
		failure = UNKNOWN;
	begin(&out, failure ? ERROR : RESULT, sequence);
	if (failure) {
		out.head[3] = failure;
		out.head_length = 4;
		say_text(&out, failure_text);
	} else {
		out.body = message;
		out.body_length = result_length;
		send(&out);
	}
}

static void obey(void)
{
	uint16_t crc = 0xffff;
	for (uint8_t i = 0; i < length; i++)
		crc = crc_of(crc, message[i]);
	if (crc != 0 || length < 2 + CRC_BYTES)
		return;
	end = length - CRC_BYTES;
	at = 3;
	if (message[0] == ASK_HELLO)
		say_hello(message[1]);
	else if (message[0] == ASK_DESCRIPTION && end == 4)
		say_piece(message[1], message[2] | (uint16_t)message[3] << 8);
	else if (message[0] == CALL && end >= 3)
		call(message[2]);
}

void tether_begin(const char *text, uint16_t bytes, const tether_handler *all, uint8_t count,
                  void (*write)(uint8_t byte))
{
	description = text;
	description_length = bytes;
	handlers = all;
	commands = count;
	write_byte = write;
	description_check = 0xffff;
	for (uint16_t i = 0; i < bytes; i++)
		description_check = crc_of(description_check, FLASH_BYTE(text + i));
	instance++;
	say_hello(0);
}

static void keep(uint8_t byte)
{
	if (length == sizeof message)
		skipping = true; /* too long for a message */
	else
		message[length++] = byte;
}

static void forget(void)
{
	length = 0;
	left = 0;
	zero_due = false;
	skipping = false;
}

void tether_received(uint8_t byte)
{
	if (complete) {
		/* Somebody does not wait for the answer: the whole frame is lost. */
		skipping = byte != 0;
	} else if (byte == 0) {
		if (length > 0 && left == 0 && !skipping)
			complete = true;
		else
			forget();
	} else if (skipping) {
		return;
	} else if (left == 0) {
		if (zero_due)
			keep(0);
		left = byte - 1;
		zero_due = byte != 0xff;
	} else {
		keep(byte);
		left--;
	}
}

void tether_poll(void)
{
	if (!complete)
		return;
	obey();
	/* A frame that is coming already goes on being skipped. */
	length = 0;
	left = 0;
	zero_due = false;
	complete = false;
}

static void argument(void *value, uint8_t bytes)
{
	if (bytes > end - at) {
		at = end + 1; /* and so never at the end */
		memset(value, 0, bytes);
		return;
	}
	memcpy(value, message + at, bytes);
	at += bytes;
}

const char *tether_arg_string(uint8_t *bytes)
{
	*bytes = tether_arg_u8();
	if (at > end || *bytes > end - at) {
		at = end + 1;
		*bytes = 0;
		return "";
	}
	const char *text = (const char *)message + at;
	at += *bytes;
	return text;
}

bool tether_args_end(void)
{
	if (at == end)
		return true;
	failure = ARGUMENTS;
	return false;
}

static void result(const void *value, uint8_t bytes)
{
	memmove(message, value, bytes);
	result_length = bytes;
}

void tether_result_string(const char *text, uint8_t bytes)
{
	if (bytes > TETHER_PAYLOAD - 4)
		bytes = TETHER_PAYLOAD - 4;
	memmove(message + 1, text, bytes);
	message[0] = bytes;
	result_length = bytes + 1;
}

void tether_fail(const char *why)
{
	failure = FAILED;
	failure_text = why;
}

static void report(uint8_t index, const void *value, uint8_t bytes)
{
	outgoing out;
	begin(&out, VALUE, index);
	out.body = value;
	out.body_length = bytes;
	send(&out);
}

void tether_value_string(uint8_t index, const char *text, uint8_t bytes)
{
	outgoing out;
	begin(&out, VALUE, index);
	out.head[3] = bytes < TETHER_PAYLOAD - 4 ? bytes : TETHER_PAYLOAD - 4;
	out.head_length = 4;
	out.body = (const uint8_t *)text;
	out.body_length = out.head[3];
	send(&out);
}

void tether_log(const char *text)
{
	outgoing out;
	begin(&out, LOG, 0);
	out.head_length = 2;
	say_text(&out, text);
}

bool tether_arg_bool(void)
{
	return tether_arg_u8() != 0;
}

void tether_result_bool(bool value)
{
	tether_result_u8(value);
}

void tether_value_bool(uint8_t index, bool value)
{
	tether_value_u8(index, value);
}

#define TYPE(name, type)                                    \
	type tether_arg_##name(void)                        \
	{                                                   \
		type value;                                 \
		argument(&value, sizeof value);             \
		return value;                               \
	}                                                   \
	void tether_result_##name(type value)               \
	{                                                   \
		result(&value, sizeof value);               \
	}                                                   \
	void tether_value_##name(uint8_t index, type value) \
	{                                                   \
		report(index, &value, sizeof value);        \
	}

TYPE(u8, uint8_t)
TYPE(u16, uint16_t)
TYPE(u32, uint32_t)
TYPE(i8, int8_t)
TYPE(i16, int16_t)
TYPE(i32, int32_t)
TYPE(f32, float)

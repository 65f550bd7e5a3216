/* The C library of frames on this machine: bytes from stdin, bytes to stdout; takes messages of TETHER_PAYLOAD bytes. */
#include <stdio.h>

#include "tether_frames.h"

static const char description[] =
	"all(a:bool,b:u8,c:u16,d:u32,e:i8,f:i16,g:i32,h:f32,s:string):string\n"
	"big():string\n"
	"fail()\n"
	"nothing()\n"
	"undone()\n"
	"text:string\n";

static void write_byte(uint8_t byte)
{
	putchar(byte);
}

static void all(void)
{
	bool a = tether_arg_bool();
	uint8_t b = tether_arg_u8();
	uint16_t c = tether_arg_u16();
	uint32_t d = tether_arg_u32();
	int8_t e = tether_arg_i8();
	int16_t f = tether_arg_i16();
	int32_t g = tether_arg_i32();
	float h = tether_arg_f32();
	uint8_t length;
	const char *text = tether_arg_string(&length);
	if (!tether_args_end())
		return;
	char shown[256];
	int bytes = snprintf(shown, sizeof shown, "%d %u %u %lu %d %d %ld %g %.*s", a, b, c, (unsigned long)d, e, f,
	                     (long)g, h, length, text);
	tether_result_string(shown, bytes);
}

static void big(void)
{
	static char text[255];
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = 'a' + i % 26;
	tether_args_end();
	tether_value_string(0, text, sizeof text);
	tether_result_string(text, sizeof text);
}

static void fail(void)
{
	tether_fail("because");
}

static void nothing(void)
{
	tether_args_end();
}

static const tether_handler handlers[] = { all, big, fail, nothing };

int main(void)
{
	tether_begin(description, sizeof description - 1, handlers, sizeof handlers / sizeof *handlers, write_byte);
	fflush(stdout);
	for (int byte; (byte = getchar()) != EOF;) {
		tether_received(byte);
		tether_poll();
		fflush(stdout);
	}
	return 0;
}

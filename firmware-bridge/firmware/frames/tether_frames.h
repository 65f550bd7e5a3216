/* Tether frames, for firmware that describes its own commands and values: docs/drivers/frames.md.
 *
 * One board a program; no heap, no floating point. Little-endian machines only (AVR, Arm, ESP, RISC-V). */

#ifndef TETHER_FRAMES_H
#define TETHER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __AVR__
#include <avr/pgmspace.h>
#else
#ifndef PROGMEM
#define PROGMEM
#endif
#ifndef PSTR
#define PSTR(text) (text)
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the largest message, both ways: 16 to 252. Define it for the library's own compilation. */
#ifndef TETHER_PAYLOAD
#define TETHER_PAYLOAD 64
#endif

typedef void (*tether_handler)(void);

/* Starts, and says so. `description` lies in flash, as do `handlers`, which are in its commands' order; `write` sends
 * one byte and may wait for room. */
void tether_begin(const char *description, uint16_t length, const tether_handler *handlers, uint8_t commands,
                  void (*write)(uint8_t byte));

/* Takes a byte that has come. May be called in an interrupt. */
void tether_received(uint8_t byte);

/* Carries out what has come. Call it again and again from the main loop; the handlers are called in it. */
void tether_poll(void);

/* In a handler: the arguments one after the other, in the order of the description. */
bool tether_arg_bool(void);
uint8_t tether_arg_u8(void);
uint16_t tether_arg_u16(void);
uint32_t tether_arg_u32(void);
int8_t tether_arg_i8(void);
int16_t tether_arg_i16(void);
int32_t tether_arg_i32(void);
float tether_arg_f32(void);
/* Not ended by a zero; valid until a result is given. */
const char *tether_arg_string(uint8_t *length);
/* True when all of them were there and none is left; when not, the caller is told, and the handler should do nothing. */
bool tether_args_end(void);

/* In a handler, after the arguments: its result, once at most. Without one the command gives nothing. */
void tether_result_bool(bool value);
void tether_result_u8(uint8_t value);
void tether_result_u16(uint16_t value);
void tether_result_u32(uint32_t value);
void tether_result_i8(int8_t value);
void tether_result_i16(int16_t value);
void tether_result_i32(int32_t value);
void tether_result_f32(float value);
/* Cut to what a message holds; may lie in the arguments. */
void tether_result_string(const char *text, uint8_t length);
/* The command failed; why stands in flash. */
void tether_fail(const char *why);

/* Outside of interrupts: value number `index` of the description, from 0, is this now. */
void tether_value_bool(uint8_t index, bool value);
void tether_value_u8(uint8_t index, uint8_t value);
void tether_value_u16(uint8_t index, uint16_t value);
void tether_value_u32(uint8_t index, uint32_t value);
void tether_value_i8(uint8_t index, int8_t value);
void tether_value_i16(uint8_t index, int16_t value);
void tether_value_i32(uint8_t index, int32_t value);
void tether_value_f32(uint8_t index, float value);
void tether_value_string(uint8_t index, const char *text, uint8_t length);
/* A text for people, in flash. */
void tether_log(const char *text);

#ifdef __cplusplus
}
#endif

#endif

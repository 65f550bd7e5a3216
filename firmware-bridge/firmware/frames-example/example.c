/* A board that describes itself, on an ATmega328P: see README.md for its pins. */

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>

#include "../frames/tether_frames.h"

#define DEBOUNCE_MS 20
#define UPTIME_MS 1000

/* Commands and values in the order of the tables below. */
static const char description[] PROGMEM =
	"led(on:bool) Switches the LED on pin 13.\n"
	"lit():bool Whether the LED is on.\n"
	"echo(text:string):string Gives the text back.\n"
	"add(a:i32,b:i32):i32 Adds two numbers.\n"
	"divide(a:i16,b:i16):i16 Divides, without a remainder.\n"
	"light():u16 Reads the voltage on A0, 0 to 1023.\n"
	"celsius():f32 Reads the chip's own temperature.\n"
	"wait(ms:u16) Answers after so many milliseconds.\n"
	"button:u16 presses\n"
	"uptime:u32 s\n";
enum { BUTTON, UPTIME };

static volatile uint16_t milliseconds;
static volatile bool pressed; /* a press that has not been told yet */

ISR(USART_RX_vect)
{
	tether_received(UDR0);
}

/* Every millisecond: the button counts as pressed once it has been down for DEBOUNCE_MS without a break. */
ISR(TIMER0_COMPA_vect)
{
	static uint8_t down;
	milliseconds++;
	if (PIND & _BV(PD2))
		down = 0;
	else if (down <= DEBOUNCE_MS && ++down == DEBOUNCE_MS)
		pressed = true;
}

static void write_byte(uint8_t byte)
{
	loop_until_bit_is_set(UCSR0A, UDRE0);
	UDR0 = byte;
}

static uint16_t now(void)
{
	cli();
	uint16_t time = milliseconds;
	sei();
	return time;
}

static uint16_t convert(uint8_t channel)
{
	ADMUX = channel;
	ADCSRA |= _BV(ADSC);
	loop_until_bit_is_clear(ADCSRA, ADSC);
	return ADC;
}

static void led(void)
{
	bool on = tether_arg_bool();
	if (!tether_args_end())
		return;
	if (on)
		PORTB |= _BV(PB5);
	else
		PORTB &= ~_BV(PB5);
}

static void lit(void)
{
	tether_result_bool(PORTB & _BV(PB5));
}

static void echo(void)
{
	uint8_t length;
	const char *text = tether_arg_string(&length);
	if (tether_args_end())
		tether_result_string(text, length);
}

static void add(void)
{
	int32_t a = tether_arg_i32();
	int32_t b = tether_arg_i32();
	if (tether_args_end())
		tether_result_i32((uint32_t)a + (uint32_t)b);
}

static void divide(void)
{
	int16_t a = tether_arg_i16();
	int16_t b = tether_arg_i16();
	if (!tether_args_end())
		return;
	if (b == 0)
		tether_fail(PSTR("division by zero"));
	else
		tether_result_i16(a / b);
}

static void light(void)
{
	tether_result_u16(convert(_BV(REFS0) | 0));
}

/* About 314 mV at 25 °C and 1 mV more for each degree, of the 1.1 V reference (datasheet 23.8). */
static void celsius(void)
{
	tether_result_f32(25 + (convert(_BV(REFS1) | _BV(REFS0) | 8) * (1100 / 1024.0f) - 314));
}

static void wait(void)
{
	uint16_t ms = tether_arg_u16();
	if (!tether_args_end())
		return;
	tether_log(PSTR("waiting"));
	for (uint16_t start = now(); (uint16_t)(now() - start) < ms;)
		sleep_mode();
}

static const tether_handler handlers[] PROGMEM = { led, lit, echo, add, divide, light, celsius, wait };

int main(void)
{
	DDRB |= _BV(PB5);
	PORTD |= _BV(PD2);

	UBRR0 = 16; /* 117,647 baud, 2.1 % off */
	UCSR0A = _BV(U2X0);
	UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
	UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);

	TCCR0A = _BV(WGM01); /* clear on compare: 16 MHz / 64 / 250 = 1 kHz */
	TCCR0B = _BV(CS01) | _BV(CS00);
	OCR0A = 249;
	TIMSK0 = _BV(OCIE0A);

	ADCSRA = _BV(ADEN) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);

	set_sleep_mode(SLEEP_MODE_IDLE);
	sei(); /* before the hello goes out: its answer may come at once */
	tether_begin(description, sizeof description - 1, handlers, sizeof handlers / sizeof *handlers, write_byte);

	uint16_t presses = 0, second = 0;
	uint32_t uptime = 0;
	for (;;) {
		sleep_mode(); /* up to the next millisecond, or a byte */
		tether_poll();
		if (pressed) {
			pressed = false;
			tether_value_u16(BUTTON, ++presses);
		}
		if ((uint16_t)(now() - second) >= UPTIME_MS) {
			second += UPTIME_MS;
			tether_value_u32(UPTIME, ++uptime);
		}
	}
}

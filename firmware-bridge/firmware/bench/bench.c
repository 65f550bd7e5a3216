/* The bench board on an ATmega328P: see README.md for its pins and its protocol. */

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 31
#define RING_BYTES 128 /* a power of two: 11 ms at full speed */
#define DEBOUNCE_MS 20

static volatile uint8_t ring[RING_BYTES];
static volatile uint8_t ring_head; /* written by the interrupt */
static volatile uint8_t ring_tail; /* written by main */
static volatile bool pressed;      /* a press that has not been told yet */
static uint16_t presses;

ISR(USART_RX_vect)
{
	uint8_t byte = UDR0;
	uint8_t next = (ring_head + 1) & (RING_BYTES - 1);
	if (next == ring_tail)
		return; /* full: the byte is lost, and its line will be unknown */
	ring[ring_head] = byte;
	ring_head = next;
}

/* Every millisecond: the button counts as pressed once it has been down for DEBOUNCE_MS without a break. */
ISR(TIMER0_COMPA_vect)
{
	static uint8_t down;
	if (PIND & _BV(PD2))
		down = 0;
	else if (down <= DEBOUNCE_MS && ++down == DEBOUNCE_MS)
		pressed = true;
}

static void send(const char *text)
{
	for (; *text; text++) {
		loop_until_bit_is_set(UCSR0A, UDRE0);
		UDR0 = *text;
	}
}

static void send_line(const char *text)
{
	send(text);
	send("\n");
}

static void send_press(void)
{
	char digits[6];
	presses++;
	send("BTN ");
	send_line(utoa(presses, digits, 10));
}

/* Sensor of the chip itself, about 314 mV at 25 °C and 1 mV more for each degree (datasheet 23.8). */
static void send_temperature(void)
{
	uint16_t sum = 0;
	for (uint8_t i = 0; i < 16; i++) {
		ADCSRA |= _BV(ADSC);
		loop_until_bit_is_clear(ADCSRA, ADSC);
		sum += ADC;
	}
	int16_t tenths_of_mv = (uint32_t)sum * 11000 / (16 * 1024UL);
	int16_t tenths = 250 + tenths_of_mv - 3140;
	char digits[7];
	send(tenths < 0 ? "TEMP -" : "TEMP ");
	tenths = abs(tenths);
	send(itoa(tenths / 10, digits, 10));
	send(".");
	send_line(itoa(tenths % 10, digits, 10));
}

static void obey(const char *line)
{
	if (!strcmp(line, ""))
		return;
	if (!strcmp(line, "PING"))
		send_line("PONG");
	else if (!strcmp(line, "ID?"))
		send_line("ID bench 1");
	else if (!strcmp(line, "LED?"))
		send_line(PORTB & _BV(PB5) ? "LED 1" : "LED 0");
	else if (!strcmp(line, "LED 0")) {
		PORTB &= ~_BV(PB5);
		send_line("OK");
	} else if (!strcmp(line, "LED 1")) {
		PORTB |= _BV(PB5);
		send_line("OK");
	} else if (!strcmp(line, "TEMP?"))
		send_temperature();
	else if (!strcmp(line, "PRESS")) {
		send_line("OK");
		send_press();
	} else
		send_line(strncmp(line, "LED ", 4) ? "ERR unknown" : "ERR range");
}

static void take(uint8_t byte)
{
	static char line[LINE_BYTES + 2]; /* room for a '\r' and the end */
	static uint8_t length;
	static bool overlong;
	if (byte != '\n') {
		if (length > LINE_BYTES)
			overlong = true;
		else
			line[length++] = byte;
		return;
	}
	if (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	obey(overlong || length > LINE_BYTES || strlen(line) != length ? "?" : line);
	length = 0;
	overlong = false;
}

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

	ADMUX = _BV(REFS1) | _BV(REFS0) | 8; /* 1.1 V reference, the temperature sensor */
	ADCSRA = _BV(ADEN) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);

	set_sleep_mode(SLEEP_MODE_IDLE);
	for (;;) {
		cli();
		if (ring_head == ring_tail && !pressed) {
			sleep_enable();
			sei(); /* nothing comes between this and the next instruction */
			sleep_cpu();
			sleep_disable();
		}
		sei();
		if (pressed) {
			pressed = false;
			send_press();
		}
		while (ring_tail != ring_head) {
			uint8_t byte = ring[ring_tail];
			ring_tail = (ring_tail + 1) & (RING_BYTES - 1);
			take(byte);
		}
	}
}

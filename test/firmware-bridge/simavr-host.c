/* An ATmega328P in simavr: simavr-host FIRMWARE.hex LINK. Its UART is a pseudo-terminal that LINK leads to;
 * its chip has 21.4 degrees, A0 has 1 V of 5; SIGUSR1 presses the button on PD2, SIGUSR2 resets. Prints "ready" once
 * it runs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <avr_adc.h>
#include <avr_ioport.h>
#include <parts/uart_pty.h>
#include <sim_avr.h>
#include <sim_hex.h>
#include <sim_time.h>

static volatile sig_atomic_t button_asked;
static volatile sig_atomic_t reset_asked;
static avr_irq_t *button;

static void ask_button(int signal_number)
{
	(void)signal_number;
	button_asked = 1;
}

static void ask_reset(int signal_number)
{
	(void)signal_number;
	reset_asked = 1;
}

static avr_cycle_count_t release_button(struct avr_t *avr, avr_cycle_count_t when, void *param)
{
	(void)avr, (void)when, (void)param;
	avr_raise_irq(button, 1);
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc != 3)
		return fprintf(stderr, "usage: simavr-host FIRMWARE.hex LINK\n"), 2;
	uint32_t size, base;
	uint8_t *code = read_ihex_file(argv[1], &size, &base);
	avr_t *avr = avr_make_mcu_by_name("atmega328p");
	if (!code || !avr)
		return fprintf(stderr, "simavr-host: %s cannot be loaded\n", argv[1]), 1;
	avr_init(avr);
	avr->frequency = 16000000;
	avr->vcc = avr->avcc = 5000;
	memcpy(avr->flash + base, code, size);
	avr->pc = base;
	avr->codeend = avr->flashend;
	avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_TEMP), 311);
	avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0), 1000);
	button = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2);
	avr_raise_irq(button, 1);

	static uart_pty_t uart;
	uart_pty_init(avr, &uart);
	uart_pty_connect(&uart, '0');
	unlink(argv[2]);
	if (symlink(uart.pty.slavename, argv[2]) != 0)
		return perror(argv[2]), 1;
	signal(SIGUSR1, ask_button);
	signal(SIGUSR2, ask_reset);
	puts("ready");
	fflush(stdout);

	for (int state = cpu_Running; state != cpu_Done && state != cpu_Crashed;) {
		state = avr_run(avr);
		if (reset_asked) {
			reset_asked = 0;
			avr_reset(avr);
			avr_raise_irq(button, 1);
		}
		if (button_asked) {
			button_asked = 0;
			avr_raise_irq(button, 0);
			avr_cycle_timer_register_usec(avr, 100000, release_button, NULL);
		}
	}
	return 1;
}

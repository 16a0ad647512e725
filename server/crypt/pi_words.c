/*
 * A program for the build: prints the first 1,042 words of 32 bits behind the point of pi, from
 * which Blowfish starts (18 subkeys, then four tables of 256). They are computed, not copied:
 * Machin's formula pi = 16 atan(1/5) - 4 atan(1/239), in fixed point. bcrypt.c includes the output;
 * a wrong digit would fail its self-test.
 */
#include <stdint.h>
#include <stdio.h>

#define WORDS 1042
/* One word before the point, and two that absorb the rounding of some 9,300 terms. */
#define LIMBS (1 + WORDS + 2)

/* Most significant limb first. */
struct fixed {
	uint32_t limbs[LIMBS];
};

/* quotient = number / divisor, truncated; the two may be the same. False when it is 0. */
static int divide(const struct fixed *number, uint32_t divisor, struct fixed *quotient)
{
	uint64_t rest = 0;
	uint32_t any = 0;

	for (int i = 0; i < LIMBS; i++) {
		rest = rest << 32 | number->limbs[i];
		quotient->limbs[i] = (uint32_t)(rest / divisor);
		any |= quotient->limbs[i];
		rest %= divisor;
	}
	return any != 0;
}

/* Both wrap around 2^32: what an intermediate sum borrows, a later one gives back. */
static void add(struct fixed *sum, const struct fixed *number)
{
	uint64_t carry = 0;

	for (int i = LIMBS - 1; i >= 0; i--) {
		carry += (uint64_t)sum->limbs[i] + number->limbs[i];
		sum->limbs[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void subtract(struct fixed *sum, const struct fixed *number)
{
	uint64_t borrow = 0;

	for (int i = LIMBS - 1; i >= 0; i--) {
		uint64_t difference = (uint64_t)sum->limbs[i] - number->limbs[i] - borrow;

		sum->limbs[i] = (uint32_t)difference;
		borrow = difference >> 63;
	}
}

/* sum += sign * factor * atan(1/x) = sign * factor * (1/x - 1/3x^3 + 1/5x^5 - ...) */
static void add_arctangent(struct fixed *sum, int sign, uint32_t factor, uint32_t x)
{
	struct fixed power = { .limbs = { factor } }, term;
	uint32_t odd = 1;

	for (int more = divide(&power, x, &power); more; more = divide(&power, x * x, &power)) {
		(void)divide(&power, odd, &term);
		if (sign > 0)
			add(sum, &term);
		else
			subtract(sum, &term);
		sign = -sign;
		odd += 2;
	}
}

int main(void)
{
	struct fixed pi = {};

	add_arctangent(&pi, 1, 16, 5);
	add_arctangent(&pi, -1, 4, 239);
	for (int i = 1; i <= WORDS; i++)
		(void)printf("0x%08x,%c", pi.limbs[i], i % 8 ? ' ' : '\n');
	return pi.limbs[0] != 3;
}

#include "base/joining.h"

#include <stddef.h>
#include <utf8proc.h>

enum joining {
	JOINING_D = 3, /* both sides */
	JOINING_L = 1, /* the letter after it */
	JOINING_R = 2, /* the letter before it */
};

struct joining_range {
	int32_t first, last;
	enum joining joining;
};

/*
 * From DerivedJoiningType.txt. Unicode 14 and 15 do not differ in these
 * three types. Sorted.
 */
static const struct joining_range ranges[] = {
	{ 0x0620, 0x0620, JOINING_D },
	{ 0x0622, 0x0625, JOINING_R },
	{ 0x0626, 0x0626, JOINING_D },
	{ 0x0627, 0x0627, JOINING_R },
	{ 0x0628, 0x0628, JOINING_D },
	{ 0x0629, 0x0629, JOINING_R },
	{ 0x062a, 0x062e, JOINING_D },
	{ 0x062f, 0x0632, JOINING_R },
	{ 0x0633, 0x063f, JOINING_D },
	{ 0x0641, 0x0647, JOINING_D },
	{ 0x0648, 0x0648, JOINING_R },
	{ 0x0649, 0x064a, JOINING_D },
	{ 0x066e, 0x066f, JOINING_D },
	{ 0x0671, 0x0673, JOINING_R },
	{ 0x0675, 0x0677, JOINING_R },
	{ 0x0678, 0x0687, JOINING_D },
	{ 0x0688, 0x0699, JOINING_R },
	{ 0x069a, 0x06bf, JOINING_D },
	{ 0x06c0, 0x06c0, JOINING_R },
	{ 0x06c1, 0x06c2, JOINING_D },
	{ 0x06c3, 0x06cb, JOINING_R },
	{ 0x06cc, 0x06cc, JOINING_D },
	{ 0x06cd, 0x06cd, JOINING_R },
	{ 0x06ce, 0x06ce, JOINING_D },
	{ 0x06cf, 0x06cf, JOINING_R },
	{ 0x06d0, 0x06d1, JOINING_D },
	{ 0x06d2, 0x06d3, JOINING_R },
	{ 0x06d5, 0x06d5, JOINING_R },
	{ 0x06ee, 0x06ef, JOINING_R },
	{ 0x06fa, 0x06fc, JOINING_D },
	{ 0x06ff, 0x06ff, JOINING_D },
	{ 0x0710, 0x0710, JOINING_R },
	{ 0x0712, 0x0714, JOINING_D },
	{ 0x0715, 0x0719, JOINING_R },
	{ 0x071a, 0x071d, JOINING_D },
	{ 0x071e, 0x071e, JOINING_R },
	{ 0x071f, 0x0727, JOINING_D },
	{ 0x0728, 0x0728, JOINING_R },
	{ 0x0729, 0x0729, JOINING_D },
	{ 0x072a, 0x072a, JOINING_R },
	{ 0x072b, 0x072b, JOINING_D },
	{ 0x072c, 0x072c, JOINING_R },
	{ 0x072d, 0x072e, JOINING_D },
	{ 0x072f, 0x072f, JOINING_R },
	{ 0x074d, 0x074d, JOINING_R },
	{ 0x074e, 0x0758, JOINING_D },
	{ 0x0759, 0x075b, JOINING_R },
	{ 0x075c, 0x076a, JOINING_D },
	{ 0x076b, 0x076c, JOINING_R },
	{ 0x076d, 0x0770, JOINING_D },
	{ 0x0771, 0x0771, JOINING_R },
	{ 0x0772, 0x0772, JOINING_D },
	{ 0x0773, 0x0774, JOINING_R },
	{ 0x0775, 0x0777, JOINING_D },
	{ 0x0778, 0x0779, JOINING_R },
	{ 0x077a, 0x077f, JOINING_D },
	{ 0x07ca, 0x07ea, JOINING_D },
	{ 0x0840, 0x0840, JOINING_R },
	{ 0x0841, 0x0845, JOINING_D },
	{ 0x0846, 0x0847, JOINING_R },
	{ 0x0848, 0x0848, JOINING_D },
	{ 0x0849, 0x0849, JOINING_R },
	{ 0x084a, 0x0853, JOINING_D },
	{ 0x0854, 0x0854, JOINING_R },
	{ 0x0855, 0x0855, JOINING_D },
	{ 0x0856, 0x0858, JOINING_R },
	{ 0x0860, 0x0860, JOINING_D },
	{ 0x0862, 0x0865, JOINING_D },
	{ 0x0867, 0x0867, JOINING_R },
	{ 0x0868, 0x0868, JOINING_D },
	{ 0x0869, 0x086a, JOINING_R },
	{ 0x0870, 0x0882, JOINING_R },
	{ 0x0886, 0x0886, JOINING_D },
	{ 0x0889, 0x088d, JOINING_D },
	{ 0x088e, 0x088e, JOINING_R },
	{ 0x08a0, 0x08a9, JOINING_D },
	{ 0x08aa, 0x08ac, JOINING_R },
	{ 0x08ae, 0x08ae, JOINING_R },
	{ 0x08af, 0x08b0, JOINING_D },
	{ 0x08b1, 0x08b2, JOINING_R },
	{ 0x08b3, 0x08b8, JOINING_D },
	{ 0x08b9, 0x08b9, JOINING_R },
	{ 0x08ba, 0x08c8, JOINING_D },
	{ 0x1807, 0x1807, JOINING_D },
	{ 0x1820, 0x1878, JOINING_D },
	{ 0x1887, 0x18a8, JOINING_D },
	{ 0x18aa, 0x18aa, JOINING_D },
	{ 0xa840, 0xa871, JOINING_D },
	{ 0xa872, 0xa872, JOINING_L },
	{ 0x10ac0, 0x10ac4, JOINING_D },
	{ 0x10ac5, 0x10ac5, JOINING_R },
	{ 0x10ac7, 0x10ac7, JOINING_R },
	{ 0x10ac9, 0x10aca, JOINING_R },
	{ 0x10acd, 0x10acd, JOINING_L },
	{ 0x10ace, 0x10ad2, JOINING_R },
	{ 0x10ad3, 0x10ad6, JOINING_D },
	{ 0x10ad7, 0x10ad7, JOINING_L },
	{ 0x10ad8, 0x10adc, JOINING_D },
	{ 0x10add, 0x10add, JOINING_R },
	{ 0x10ade, 0x10ae0, JOINING_D },
	{ 0x10ae1, 0x10ae1, JOINING_R },
	{ 0x10ae4, 0x10ae4, JOINING_R },
	{ 0x10aeb, 0x10aee, JOINING_D },
	{ 0x10aef, 0x10aef, JOINING_R },
	{ 0x10b80, 0x10b80, JOINING_D },
	{ 0x10b81, 0x10b81, JOINING_R },
	{ 0x10b82, 0x10b82, JOINING_D },
	{ 0x10b83, 0x10b85, JOINING_R },
	{ 0x10b86, 0x10b88, JOINING_D },
	{ 0x10b89, 0x10b89, JOINING_R },
	{ 0x10b8a, 0x10b8b, JOINING_D },
	{ 0x10b8c, 0x10b8c, JOINING_R },
	{ 0x10b8d, 0x10b8d, JOINING_D },
	{ 0x10b8e, 0x10b8f, JOINING_R },
	{ 0x10b90, 0x10b90, JOINING_D },
	{ 0x10b91, 0x10b91, JOINING_R },
	{ 0x10ba9, 0x10bac, JOINING_R },
	{ 0x10bad, 0x10bae, JOINING_D },
	{ 0x10d00, 0x10d00, JOINING_L },
	{ 0x10d01, 0x10d21, JOINING_D },
	{ 0x10d22, 0x10d22, JOINING_R },
	{ 0x10d23, 0x10d23, JOINING_D },
	{ 0x10f30, 0x10f32, JOINING_D },
	{ 0x10f33, 0x10f33, JOINING_R },
	{ 0x10f34, 0x10f44, JOINING_D },
	{ 0x10f51, 0x10f53, JOINING_D },
	{ 0x10f54, 0x10f54, JOINING_R },
	{ 0x10f70, 0x10f73, JOINING_D },
	{ 0x10f74, 0x10f75, JOINING_R },
	{ 0x10f76, 0x10f81, JOINING_D },
	{ 0x10fb0, 0x10fb0, JOINING_D },
	{ 0x10fb2, 0x10fb3, JOINING_D },
	{ 0x10fb4, 0x10fb6, JOINING_R },
	{ 0x10fb8, 0x10fb8, JOINING_D },
	{ 0x10fb9, 0x10fba, JOINING_R },
	{ 0x10fbb, 0x10fbc, JOINING_D },
	{ 0x10fbd, 0x10fbd, JOINING_R },
	{ 0x10fbe, 0x10fbf, JOINING_D },
	{ 0x10fc1, 0x10fc1, JOINING_D },
	{ 0x10fc2, 0x10fc3, JOINING_R },
	{ 0x10fc4, 0x10fc4, JOINING_D },
	{ 0x10fc9, 0x10fc9, JOINING_R },
	{ 0x10fca, 0x10fca, JOINING_D },
	{ 0x10fcb, 0x10fcb, JOINING_L },
	{ 0x1e900, 0x1e943, JOINING_D },
};

static unsigned
joining_of(int32_t code_point)
{
	size_t low = 0, high = sizeof(ranges) / sizeof(ranges[0]);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code_point > ranges[middle].last)
			low = middle + 1;
		else if (code_point < ranges[middle].first)
			high = middle;
		else
			return (unsigned)ranges[middle].joining;
	}
	return 0;
}

bool
joining_is_forward(int32_t code_point)
{
	return (joining_of(code_point) & JOINING_L) != 0;
}

bool
joining_is_backward(int32_t code_point)
{
	return (joining_of(code_point) & JOINING_R) != 0;
}

bool
joining_is_transparent(int32_t code_point)
{
	utf8proc_category_t category = utf8proc_category(code_point);

	return joining_of(code_point) == 0 &&
	    (category == UTF8PROC_CATEGORY_MN ||
	    category == UTF8PROC_CATEGORY_ME);
}

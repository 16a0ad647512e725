/* What only MongoDB can meet. AUTHD_TEST_MONGODB names the server. */
#include "support/store_scene.h"

STORE_TEST(placeholder)
{
}

// What the two halves of an exchange share.
#pragma once

#include "server/exchange.h"

void exchange_free_body(struct exchange *exchange);

#include "CFramedTLS.h"

#include "CFramedMessages.h"


2
cPlaceholder*
dtype0
*
shape
:
.
xPlaceholder*
dtype0*
shape:
6
yPlaceholder*
dtype0*
shape:

zSelectV2cxy*
T0"ª